"""`python -m hwsweep.report STUDY`: the page of a stored study; of several, one that compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hwsweep.signals import exit_on_signals
from hwsweep.sweep import SweepError

OUTPUTS = Path("outputs")
"""The folder of all studies, in the working directory."""


def main() -> None:
    """Write the page and print its path; exit code 2 and one message if there is no such study."""
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.report",
        description="Write the page of a stored study, or one page that compares several.",
    )
    parser.add_argument("study", nargs="+", help="a study's folder, or its name under outputs/")
    names: list[str] = parser.parse_args().study
    try:
        for path in write([folder_of(name) for name in names]):
            print(path)
    except SweepError as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def write(folders: list[Path]) -> list[Path]:
    """The files written: page and table of one study, the common page of several.

    Raises:
        SweepError: a folder holds no study.
    """
    from hwsweep.files import without_passwords, write_text
    from hwsweep.report.compare import compare
    from hwsweep.report.html.render import render
    from hwsweep.report.write import PAGE, write_report
    from hwsweep.sweep.study.stored_view import stored_view

    views = [stored_view(folder) for folder in folders]
    if len(views) == 1:
        report = write_report(views[0])
        for problem in report.problems:
            print(f"hwsweep: not drawn: {problem}", file=sys.stderr)
        return [report.page, report.table]
    folder = folders[0].absolute().parent / "_vs_".join(view.name for view in views)
    folder.mkdir(exist_ok=True)
    return [write_text(folder / PAGE, without_passwords(render(compare(views, folder))))]


def folder_of(name: str) -> Path:
    """The study's folder, from its path or its name under outputs/.

    Raises:
        SweepError: there is neither.
    """
    for folder in (Path(name), OUTPUTS / name):
        if (folder / "study.json").exists():
            return folder
    known = sorted(path.parent.name for path in OUTPUTS.glob("*/study.json"))
    studies = f"there are {', '.join(known[-5:])}" if known else "there is none under outputs/"
    raise SweepError(f"no study {name!r}, neither as a path nor under outputs/; {studies}")


if __name__ == "__main__":
    with exit_on_signals():
        main()
