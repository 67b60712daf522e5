"""`python -m hwsweep.report STUDY`: the page of a stored study; of several, one that compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import load_study
from hwsweep.signals import exit_on_signals
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from hwsweep.study.stored_study import StoredStudy


def main() -> None:
    """Write the page and print its path; exit code 2 and one message if there is no such study."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.report",
        description="Write the page of a stored study, or one page that compares several.",
    )
    parser.add_argument("study", nargs="+", help="a study's folder, or its name under outputs/")
    names: list[str] = parser.parse_args().study
    try:
        for path in write([load_study(name) for name in names]):
            print(path)
    except SweepError as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def write(studies: list[StoredStudy]) -> list[Path]:
    """The files written: page and table of one study, the common page of several."""
    if len(studies) > 1:
        from hwsweep.report.compare import write_comparison

        return [write_comparison([study.view for study in studies])]
    report = studies[0].write()
    for problem in report.problems:
        print(f"hwsweep: not drawn: {problem}", file=sys.stderr)
    return [report.page, report.table]


if __name__ == "__main__":
    with exit_on_signals():
        main()
