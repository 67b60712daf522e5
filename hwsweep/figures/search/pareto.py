"""Several objectives at once: the trials that no other one beats in all of them (the Pareto front)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from hwsweep.figures.drawing import GREY, VERMILLION
from hwsweep.figures.search.trials import completed, objectives, spiked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MOST = 3  # objectives, a plot for each pair
_MOST_NUMBERED = 12  # trials on the front
_GAP = 0.12  # between plots as a share of the width


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
    trials = completed(view)
    if len(view.directions) < 2 or len(trials) < 2:
        return None
    values = np.array([trial.values for trial in trials], dtype=np.float64)
    minimised = np.array([direction == "minimize" for direction in view.directions])
    return ParetoInfo(
        objectives=objectives(view),
        number=np.array([trial.number for trial in trials]),
        values=values,
        front=_front(np.where(minimised, values, -values)),
        minimised=minimised,
        logs=[spiked(column) for column in values.T],
    )


def draw(info: ParetoInfo, axes: Sequence[Axes]) -> None:
    """A plot for each pair of the first three objectives; of two, the front's edge is drawn too."""
    (page,) = axes
    pairs = list(combinations(range(min(len(info.objectives), _MOST)), 2))
    width = (1 - _GAP * (len(pairs) - 1)) / len(pairs)
    page.set_axis_off()
    page.set_box_aspect(0.6 if len(pairs) == 1 else width)
    for place, (first, second) in enumerate(pairs):
        axis = page.inset_axes((place * (width + _GAP), 0, width, 1))
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
        if place == 0:
            axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _edge(axis: Axes, info: ParetoInfo) -> None:
    """What lies on the far side of this line is beaten by a trial of the front; a few are numbered."""
    front = np.flatnonzero(info.front)
    x, y = info.values[front].T
    along = np.lexsort([y if info.minimised[1] else -y, x if info.minimised[0] else -x])
    axis.step(x[along], y[along], where="post", color=VERMILLION, linewidth=0.8)
    if len(front) <= _MOST_NUMBERED:
        for index in front:
            axis.annotate(str(info.number[index]), info.values[index], (4, 4), textcoords="offset points", fontsize=7)


def _front(values: Float64[np.ndarray, "trials objectives"]) -> Bool[np.ndarray, " trials"]:
    """Which rows no other row beats: is nowhere larger than and somewhere smaller."""
    front = np.zeros(len(values), dtype=bool)
    for index in np.lexsort(values.T[::-1]):  # no row is beaten by a later one
        others, own = values[front], values[index]
        front[index] = not ((others <= own).all(1) & (others < own).any(1)).any()
    return front
