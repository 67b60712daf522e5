"""Several objectives at once, and the Pareto front: trials such that no other is better in all objectives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import GREY, VERMILLION
from hwsweep.figures.search.trials import search_of, spiked
from hwsweep.sweep.study.pareto_front import pareto_front
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MAX = 3  # objectives, a plot for each pair
_MAX_NUMBERED = 12  # trials on the front
_MAX_LISTED = 8  # of them in the summary
_GAP = 0.12  # between plots, as a share of the width


class ParetoInfo(NamedTuple):
    """A point per complete trial."""

    objectives: list[str]
    number: Int64[np.ndarray, " trials"]
    values: Float64[np.ndarray, "trials objectives"]
    front: Bool[np.ndarray, " trials"]
    minimised: Bool[np.ndarray, " objectives"]
    logs: list[bool]


def info(view: StudyView) -> ParetoInfo | None:
    """Values of all objectives; None with one objective, or with fewer than two complete trials."""
    trials, number, values, objectives, _ = search_of(view)
    if len(objectives) < 2 or len(trials) < 2:
        return None
    return ParetoInfo(
        objectives=objectives,
        number=number,
        values=values,
        front=np.isin(number, [trial.number for trial in pareto_front(view)]),
        minimised=np.array([direction == "minimize" for direction in view.directions]),
        logs=[spiked(column) for column in values.T],
    )


def draw(info: ParetoInfo, axes: Sequence[Axes]) -> None:
    """A plot for each pair of the first three objectives; with two objectives also the edge of the front."""
    (page,) = axes
    pairs = list(combinations(range(min(len(info.objectives), _MAX)), 2))
    width = (1 - _GAP * (len(pairs) - 1)) / len(pairs)
    page.set_axis_off()
    page.set_box_aspect(0.6 if len(pairs) == 1 else width)
    for index, (first, second) in enumerate(pairs):
        axis = page.inset_axes((index * (width + _GAP), 0, width, 1))
        x, y = info.values[:, first], info.values[:, second]
        axis.scatter(x[~info.front], y[~info.front], s=12, color=GREY, label="dominated")
        axis.scatter(x[info.front], y[info.front], s=22, color=VERMILLION, zorder=3, label="Pareto front")
        if len(info.objectives) == 2:
            _edge(axis, info)
        for side, objective in (("x", first), ("y", second)):
            better = "lower" if info.minimised[objective] else "higher"
            axis.set(**{f"{side}label": f"{info.objectives[objective]} ({better} is better)"})
            if info.logs[objective]:
                axis.set(**{f"{side}scale": "log"})
        if index == 0:
            axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def summary(info: ParetoInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    front = ", ".join(str(number) for number in info.number[info.front][:_MAX_LISTED])
    return f"{int(info.front.sum())} of {len(info.number)} trials on the front: {front}"


def _edge(axis: Axes, info: ParetoInfo) -> None:
    """A line between the front and the points that it dominates; the trials of a small front get their numbers."""
    front = np.flatnonzero(info.front)
    x, y = info.values[front].T
    along = np.lexsort([y if info.minimised[1] else -y, x if info.minimised[0] else -x])
    axis.step(x[along], y[along], where="post", color=VERMILLION, linewidth=0.8)
    if len(front) <= _MAX_NUMBERED:
        for index in front:
            axis.annotate(str(info.number[index]), info.values[index], (4, 4), textcoords="offset points", fontsize=7)
