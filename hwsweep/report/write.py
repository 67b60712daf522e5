"""From a study to the files beside it: report.html, results.csv and the PNGs."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hwsweep.files import write_text
from hwsweep.report.gather import gather
from hwsweep.report.render import render
from hwsweep.report.results_csv import results_csv
from hwsweep.report.study_figures import Drawing

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView

PAGE, TABLE = "report.html", "results.csv"


class Written(NamedTuple):
    """What a study shows."""

    page: Path
    table: Path
    pictures: list[Path]
    problems: list[str]
    """What could not be drawn, and why."""


def write_report(view: StudyView, processes: Executor | None = None) -> Written:
    """The files of this study, each put in place whole.

    Args:
        processes: draw the figures; None draws them here.
    """
    table = write_text(view.directory / TABLE, results_csv(view))
    drawing = Drawing(view, processes)
    page = gather(view, drawing)
    return Written(write_text(view.directory / PAGE, render(page)), table, drawing.paths, drawing.problems)
