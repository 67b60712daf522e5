"""The figures of a study, drawn into its folder from what its runs stored, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor
from contextlib import suppress
from functools import cached_property
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

from hwsweep.report.model_study import ModelStudy, StudyFigure
from hwsweep.report.trust.pictures import draw_trust
from hwsweep.sweep.study.trial_view import RunView, TrialView
from hwsweep.sweep.study.view import StudyView

SEARCH = "The search"
"""The section of the figures that every search has."""
MIN_GRID = 4
"""Fewer points than this are read better in the table."""


class StudyFigures:
    """The figures of one study; one that fails becomes a problem, and the others are drawn.

    Args:
        processes: draw at once, in parallel; None: everything is drawn here, on first use.
    """

    def __init__(self, view: StudyView, model: ModelStudy, processes: Executor | None = None) -> None:
        self._draws = [*model.figures(), draw_search, draw_trust]
        self._view = view
        self._drawn: Iterator[tuple[list[StudyFigure], list[str]]] | None = None
        with suppress(BrokenExecutor):  # its processes were killed
            self._drawn = None if processes is None else processes.map(attempt, self._draws, repeat(view))

    @cached_property
    def _results(self) -> list[tuple[list[StudyFigure], list[str]]]:
        with suppress(BrokenExecutor):
            if self._drawn is not None:
                return list(self._drawn)
        return list(map(attempt, self._draws, repeat(self._view)))

    @property
    def figures(self) -> list[StudyFigure]:
        """The figures that could be drawn."""
        return [figure for figures, _ in self._results for figure in figures]

    @property
    def problems(self) -> list[str]:
        """One line per function that failed."""
        return [problem for _, problems in self._results for problem in problems]


def attempt(draw: Callable[..., Iterator[StudyFigure]], *arguments: Any) -> tuple[list[StudyFigure], list[str]]:
    """The figures that the function draws, and the error that ended it, if one did."""
    figures: list[StudyFigure] = []
    try:
        figures.extend(draw(*arguments))
    except Exception as error:  # the rest of the page must not depend on a figure
        return figures, [f"{draw.__name__.removeprefix('draw_')}: {type(error).__name__}: {error}"]
    return figures, []


def draw_search(view: StudyView) -> Iterator[StudyFigure]:
    """The figures that every search has, as far as they have something to show; none for a grid of a few points."""
    if not is_search(view):
        return
    from hwsweep.figures.study import timeline
    from hwsweep.report.search.pictures import draw_by_optuna

    yield from draw_by_optuna(view)
    runs = [
        timeline.Run(each.end_time - each.seconds, each.end_time, trial.number, state)
        for trial in view.trials
        for run in trial.runs
        for each, state in [*((pause, "paused") for pause in run.pauses), (run.outcome, _end_state(trial, run))]
        if each is not None and each.end_time is not None
    ]
    if len(runs) > 1:
        info, path = timeline.info(runs), view.directory / "search_timeline.png"
        yield save_figure(timeline, info, path, SEARCH, title_of(timeline), f"{timeline.summary(info)}.")


def _end_state(trial: TrialView, run: RunView) -> str:
    """How the run's last stretch has ended."""
    return "paused" if trial.state == "paused" or run.outcome is None else run.outcome.state


def draw_joint_search(views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
    """The figures of several searches together, drawn into `folder`."""
    from hwsweep.report.search.pictures import draw_joint

    yield from draw_joint([view for view in views if is_search(view)], folder)


def is_search(view: StudyView) -> bool:
    """Whether the study is more than a grid of a few points."""
    return len(view.trials) >= MIN_GRID or None in view.axes.values()


def save_figure(figure: ModuleType, info: Any, path: Path, section: str, caption: str, summary: str) -> StudyFigure:
    """Draw `info` to `path`.

    Args:
        figure: a module with the names that hwsweep/figures/__init__.py lists.
        caption: the text below the figure.
        summary: the numbers in the figure.
    """
    from hwsweep.figures import drawing

    drawing.save(figure, info, path)
    return StudyFigure(path, section, caption, f"{caption} {summary}")


def title_of(figure: ModuleType) -> str:
    """The first line of the module's docstring."""
    return (figure.__doc__ or "").partition("\n")[0]
