"""The values that trials reported during training, and where they were pruned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hwsweep.figures.drawing import BLACK, GREY
from hwsweep.figures.search.trials import COLOURS, finish, label, spiked
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MAX_LINES = 300


class IntermediateInfo(NamedTuple):
    """A curve per trial that reported values; of more than 300 trials, an even selection."""

    objective: str
    log: bool
    number: Int64[np.ndarray, " trials"]
    state: np.ndarray
    step: Int64[np.ndarray, " steps"]
    """All steps at which one of the trials reported."""
    value: Float64[np.ndarray, "trials steps"]
    """NaN where a trial reported nothing."""
    best: int
    """Row of the best complete trial; -1 if none is complete."""


def info(view: StudyView) -> IntermediateInfo | None:
    """The reported values; None if fewer than two trials reported values, or none more than once."""
    trials = [trial for trial in view.trials if trial.reported]
    if len(view.directions) > 1 or len(trials) < 2 or max(len(trial.reported) for trial in trials) < 2:
        return None
    best = view.best_trial
    chosen = {int(index) for index in np.linspace(0, len(trials) - 1, min(len(trials), _MAX_LINES))}
    trials = [trial for index, trial in enumerate(trials) if index in chosen or trial is best]
    steps = sorted({step for trial in trials for step in trial.reported})
    value = np.array([[trial.reported.get(step, np.nan) for step in steps] for trial in trials], dtype=np.float64)
    numbers = [trial.number for trial in trials]
    return IntermediateInfo(
        objective=label(view.objective_names[0]),
        log=spiked(value[np.isfinite(value)]),
        number=np.array(numbers),
        state=np.array([trial.state for trial in trials]),
        step=np.array(steps),
        value=value,
        best=numbers.index(best.number) if best is not None and best.number in numbers else -1,
    )


def draw(info: IntermediateInfo, axes: Sequence[Axes]) -> None:
    """Curves in the colour of the trial's state, a cross where it was pruned; the best trial black and on top."""
    (axis,) = axes
    axis.set_box_aspect(0.45)
    curves = [np.stack([info.step, row], axis=1)[np.isfinite(row)] for row in info.value]
    alpha = 0.7 if len(curves) <= 50 else 0.35
    for state in [*COLOURS, "running", "waiting"]:
        if mine := [curve for curve, other in zip(curves, info.state, strict=True) if other == state and len(curve)]:
            colour = COLOURS.get(state, GREY)
            axis.add_collection(LineCollection(mine, colors=colour, linewidths=0.9, alpha=alpha, label=state))
            if state == "pruned":
                x, y = np.array([curve[-1] for curve in mine]).T
                axis.scatter(x, y, marker="x", s=18, color=colour, linewidth=1)
    if info.best >= 0:
        axis.plot(*curves[info.best].T, color=BLACK, linewidth=1.6, label=f"best: trial {info.number[info.best]}")
    if info.log:
        axis.set_yscale("log")
    axis.autoscale()
    finish(axis, "step (epoch)", info.objective)


def summary(info: IntermediateInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    n_pruned = int((info.state == "pruned").sum())
    return f"{info.objective} of {len(info.number)} trials by step, {n_pruned} of them pruned"
