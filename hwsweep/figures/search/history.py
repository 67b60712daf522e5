"""The value of every trial and the best value so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import BLACK
from hwsweep.figures.search.trials import COLOURS, finish, search_of, spiked
from hwsweep.sweep.study.view import StudyView

PANELS = 1


class HistoryInfo(NamedTuple):
    """Trials in the order of their numbers."""

    objective: str
    log: bool
    number: Int64[np.ndarray, " complete"]
    value: Float64[np.ndarray, " complete"]
    error: Float64[np.ndarray, " complete"]
    """Standard error over the seeds; 0 without seeds."""
    best: Float64[np.ndarray, " complete"]
    pruned_number: Int64[np.ndarray, " pruned"]
    pruned_value: Float64[np.ndarray, " pruned"]
    """The last reported value."""
    failed_number: Int64[np.ndarray, " failed"]


def info(view: StudyView) -> HistoryInfo | None:
    """Values of a study with one objective; None with several, or with fewer than two complete trials."""
    search = search_of(view)
    if len(view.directions) > 1 or len(search.trials) < 2:
        return None
    value = search.values[:, 0]
    running = np.minimum if view.directions[0] == "minimize" else np.maximum
    pruned = [trial for trial in view.trials if trial.state == "pruned" and trial.reported]
    last = np.array([trial.reported[max(trial.reported)] for trial in pruned], dtype=np.float64)
    return HistoryInfo(
        objective=search.objectives[0],
        log=spiked(value),
        number=search.number,
        value=value,
        error=np.array([trial.errors[0] if trial.errors else 0.0 for trial in search.trials]),
        best=running.accumulate(value),
        pruned_number=np.array([trial.number for trial in pruned], dtype=np.int64),
        pruned_value=last,
        failed_number=np.array([trial.number for trial in view.trials if trial.state == "failed"], dtype=np.int64),
    )


def draw(info: HistoryInfo, axes: Sequence[Axes]) -> None:
    """Points, crosses for pruned trials, marks at the bottom for failed ones; the best value so far as a line."""
    (axis,) = axes
    axis.set_box_aspect(0.45)
    if info.error.any():
        axis.errorbar(info.number, info.value, info.error, fmt="none", ecolor=COLOURS["complete"], elinewidth=0.8)
    axis.plot(info.number, info.value, "o", color=COLOURS["complete"], label="complete", zorder=3)
    axis.step(info.number, info.best, where="post", color=BLACK, linewidth=1.2, label="best so far", zorder=2)
    if info.log:
        axis.set_yscale("log")
    low, high = axis.get_ylim()
    if len(info.pruned_number):
        inside = np.clip(info.pruned_value, low, high)  # an outlier must not compress the other points
        label = "pruned, last reported"
        axis.plot(info.pruned_number, inside, "x", color=COLOURS["pruned"], markersize=4, clip_on=False, label=label)
    axis.set_ylim(low, high)
    if len(info.failed_number):
        (marks,) = axis.plot(info.failed_number, 0 * info.failed_number, "|", color=COLOURS["failed"], label="failed")
        marks.set(transform=axis.get_xaxis_transform(), clip_on=False, markersize=8)
    finish(axis, "trial", info.objective)


def summary(info: HistoryInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    return (
        f"{len(info.number)} complete, {len(info.pruned_number)} pruned, {len(info.failed_number)} failed trials; "
        f"{info.objective} begins at {info.value[0]:.5g} and ends at a best of {info.best[-1]:.5g}"
    )
