"""One page for several studies: their questions, answers, tables and figures side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hwsweep.files import without_passwords, write_text
from hwsweep.report.gather import SINGLE_TRIALS, gather, picture, status
from hwsweep.report.html.page import Cell, Page, Section, Table
from hwsweep.report.html.render import render
from hwsweep.report.model_study import ModelStudy, model_study
from hwsweep.report.naming import trial_title
from hwsweep.report.study_figures import StudyFigures, attempt
from hwsweep.report.tables import number_cell
from hwsweep.report.write import PAGE
from hwsweep.sweep.study.view import StudyView


def write_comparison(views: list[StudyView]) -> Path:
    """Write the page of these studies into a folder beside that of the first one; the path of the page."""
    folder = views[0].directory.parent / "_vs_".join(view.name for view in views)
    folder.mkdir(exist_ok=True)
    return write_text(folder / PAGE, without_passwords(render(compare(views, folder))))


def compare(views: list[StudyView], folder: Path) -> Page:
    """The page of these studies: first their common points and figures, then their pages section by section.

    Args:
        folder: of the figures that show several studies.
    """
    models = [model_study(view) for view in views]
    pages = [gather(view, model, StudyFigures(view, model)) for view, model in zip(views, models, strict=True)]
    titles = dict.fromkeys(section.title for page in pages for section in page.sections)
    sections = [
        _side_by_side(views, {type(model): model for model in models}.values(), folder),
        *(
            Section(title, parts=[_part(view, page, title) for view, page in zip(views, pages, strict=True)])
            for title in titles
            if title != SINGLE_TRIALS  # the page of each study has them
        ),
    ]
    names = " and ".join(view.name for view in views)
    states = " ".join(f"{view.name}: {status(view)}" for view in views)
    return Page(f"Studies {names}", states, [section for section in sections if not section.empty])


def _part(view: StudyView, page: Page, title: str) -> Section:
    """That section of one study, titled with the study's name."""
    empty = Section(title, ["This study has no such section."])
    section = next((section for section in page.sections if section.title == title), empty)
    return replace(section, title=view.name)


def _side_by_side(views: list[StudyView], models: Iterable[ModelStudy], folder: Path) -> Section:
    """The points and the figures that several studies have in common."""
    attempts = [attempt(model.comparison, views, folder) for model in models]
    return Section(
        "Side by side",
        [f"Not drawn: {problem}" for _, problems in attempts for problem in problems],
        tables=_common_points(views),
        pictures=[picture(figure) for figures, _ in attempts for figure in figures],
    )


def _common_points(views: list[StudyView]) -> list[Table]:
    """A row per point that several studies have tried, with the metrics that all their tables name."""
    trials = [{trial_title(trial, view): trial for trial in view.complete_trials} for view in views]
    counts = Counter(point for by_point in trials for point in by_point)
    points = [point for point, n in counts.items() if n > 1]
    metrics = [m for m in views[0].config.get("table", []) if all(m in view.config.get("table", []) for view in views)]
    if not points or not metrics:
        return []
    rows = [
        [Cell(point), *(number_cell(t[point].metrics.get(m) if point in t else None) for m in metrics for t in trials)]
        for point in points
    ]
    columns = ["point", *(f"{metric}, {view.name}" for metric in metrics for view in views)]
    return [Table("Points that several of the studies have tried", columns, rows)]
