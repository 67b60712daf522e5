"""The PNG files of the figures that every search has, by Optuna's plots, each with its chart."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from optuna.exceptions import ExperimentalWarning

from hwsweep.report.model_study import StudyFigure
from hwsweep.report.search import joint, parameters, values
from hwsweep.report.search.pyplot_figures import Caption, own_pyplot, save_current
from hwsweep.report.search.search_data import SearchData
from hwsweep.report.study_figures import SEARCH
from hwsweep.sweep.study.view import StudyView


def draw_by_optuna(view: StudyView) -> Iterator[StudyFigure]:
    """search_*.png in the study's folder, one for each of Optuna's plots that has something to show."""
    search = SearchData(view)
    drawings = (
        *(values.history, parameters.importances, parameters.slices, parameters.contour, parameters.rank),
        *(parameters.parallel, values.pareto, values.edf, values.intermediate, values.trial_times),
    )
    for draw in drawings:
        yield from _saved(draw(search), view.directory, SEARCH)


def draw_joint(views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
    """Figures of several studies together, for each objective that they share."""
    for studies in joint.comparable(views):
        searches = [SearchData(view) for view in studies]
        for draw in (joint.history, joint.edf):
            yield from _saved(draw(searches), folder, "")


def _saved(captions: Iterable[Caption], folder: Path, section: str) -> list[StudyFigure]:
    """The figures, each written to a PNG before the next one is drawn."""
    figures = []
    with own_pyplot(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "The figure layout has changed to tight", UserWarning)  # by plot_timeline
        for name, caption, summary, chart in captions:
            path = folder / f"search_{name}.png"
            save_current(path)
            figures.append(StudyFigure(path, section, caption, f"{caption} {summary}.", chart))
    return figures
