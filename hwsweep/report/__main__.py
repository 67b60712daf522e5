"""`python -m hwsweep.report STUDY`: the page of a stored study or run; of several studies, one that compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import load_study
from hwsweep.report.single_run import is_run, write_run_page
from hwsweep.signals import exit_on_signals
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from hwsweep.study.stored_study import StoredStudy


def main() -> None:
    """Write the page and print its path; exit code 2 and one message if there is no such study or run."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.report",
        description="Write the page of a stored study or of a single run, or one page that compares several studies.",
    )
    parser.add_argument("study", nargs="+", help="a study's folder, or its name under outputs/; or a run's folder")
    names: list[str] = parser.parse_args().study
    try:
        if len(names) == 1 and is_run(Path(names[0])):
            print(write_run_page(Path(names[0])))
            return
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
