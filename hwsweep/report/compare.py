"""One page for several studies: their questions, answers, tables and pictures side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.report.gather import gather, picture, status
from hwsweep.report.naming import finished, title
from hwsweep.report.page import Cell, Page, Section, Table
from hwsweep.report.study_figures import Drawing, Drawn, first_line, numbers_of
from hwsweep.report.tables import plain

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView

ASIDE = "Figures of single trials"
"""The section that a comparison leaves to the page of each study."""


def compare(views: list[StudyView], folder: Path) -> Page:
    """The page of these studies: what all of them can share in one table or plane first, then section by section.

    Args:
        folder: where the figures of the comparison are put.
    """
    pages = [gather(view, Drawing(view)) for view in views]
    titles = list(dict.fromkeys(section.title for page in pages for section in page.sections))
    sections = [_together(views, folder)]
    for name in titles:
        if name != ASIDE:
            sections.append(
                Section(name, parts=[_part(view, page, name) for view, page in zip(views, pages, strict=True)])
            )
    names = " and ".join(view.name for view in views)
    told = " ".join(f"{view.name}: {status(view)}" for view in views)
    return Page(f"Studies {names}", told, [section for section in sections if not section.empty])


def _part(view: StudyView, page: Page, name: str) -> Section:
    """That section of one study, under the study's name."""
    for section in page.sections:
        if section.title == name:
            return Section(view.name, section.sentences, section.command, section.tables, section.pictures)
    return Section(view.name, ["Nothing of this kind."])


def _together(views: list[StudyView], folder: Path) -> Section:
    """What the studies have in common: the same points with each study's metrics, and one rate-distortion plane."""
    problems: list[str] = []
    drawn: list[Drawn] = []
    try:
        drawn = _plane(views, folder)
    except ValueError as error:
        problems.append(f"No common rate-distortion plane: {error}")
    return Section("Side by side", problems, tables=_common_points(views), pictures=[picture(each) for each in drawn])


def _plane(views: list[StudyView], folder: Path) -> list[Drawn]:
    """The runs of all studies in one rate-distortion plane; none if only one study has VAEs."""
    from hwsweep.figures import drawing, rate_distortion

    runs = [numbers_of(view, f"{view.name}: ") for view in views]
    if sum(map(bool, runs)) < 2:
        return []
    info = rate_distortion.info([run for some in runs for run in some])
    path = folder / "rate_distortion.png"
    drawing.save(rate_distortion, info, path)
    told = "; ".join(
        f"{name}: rate {rate:.2f}, distortion {distortion:.1f} nats"
        for name, (rate, distortion) in zip(info.titles, info.measured, strict=True)
    )
    return [Drawn(path, "collapse", first_line(rate_distortion), f"{first_line(rate_distortion)} {told}")]


def _common_points(views: list[StudyView]) -> list[Table]:
    """A row per point that several studies have tried, with the metrics that their tables name."""
    tried = [{title(trial, view): trial for trial in finished(view)} for view in views]
    points = [
        point for point in dict.fromkeys(p for trials in tried for p in trials) if sum(point in t for t in tried) > 1
    ]
    metrics = [m for m in views[0].config.get("table", []) if all(m in view.config.get("table", []) for view in views)]
    if not points or not metrics:
        return []
    rows = []
    for point in points:
        numbers = [plain(t[point].metrics.get(m) if point in t else None) for m in metrics for t in tried]
        rows.append([Cell(point), *numbers])
    columns = ["point", *(f"{metric}, {view.name}" for metric in metrics for view in views)]
    return [Table("Points that several of the studies have tried", columns, rows)]
