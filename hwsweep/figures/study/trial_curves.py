"""Distortion, rate and total loss on the validation split by epoch, one line per run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from hwsweep.figures.curves import QUANTITIES, CurvesInfo, format_epochs
from hwsweep.figures.drawing import load, stack_rows
from hwsweep.figures.study.lambda_bar import draw_lambda_bar

PANELS = len(QUANTITIES)
NEEDS = {"curves"}
"""The figures that a run must have stored."""
_MAX_NAMED = 10  # lines in a legend
_MANY = 30  # lines; more lines are drawn thinner


class Line(NamedTuple):
    """One run, described by the caller."""

    title: str
    colour: str
    folder: Path
    """Where the run stored curves.npz."""
    kl_weight: float
    """The lambda that `colour` stands for."""


class TrialCurvesInfo(NamedTuple):
    """Validation means in nats per image; shorter runs end in NaN."""

    titles: np.ndarray
    colours: np.ndarray
    kl_weight: Float64[np.ndarray, " runs"]
    epoch: Float64[np.ndarray, "runs epochs"]
    valid: Float64[np.ndarray, "3 runs epochs"]


def info(lines: Sequence[Line]) -> TrialCurvesInfo:
    """The curves that these runs stored, in this order.

    Raises:
        ValueError: no run.
    """
    if not lines:
        raise ValueError("curves of a study need a run, but got none")
    stored = [load(CurvesInfo, line.folder / "curves.npz") for line in lines]
    return TrialCurvesInfo(
        titles=np.array([line.title for line in lines]),
        colours=np.array([line.colour for line in lines]),
        kl_weight=np.array([line.kl_weight for line in lines], dtype=np.float64),
        epoch=stack_rows([curves.epoch for curves in stored], np.nan),
        valid=np.stack([stack_rows([curves.valid[row] for curves in stored], np.nan) for row in range(PANELS)]),
    )


def draw(info: TrialCurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity, in the colour of each run's lambda; logarithmic if runs differ by far."""
    runs = len(info.titles)
    few = info.epoch.shape[1] * runs <= _MANY
    width = 1.4 if runs <= _MANY else 0.6
    for axis, name, valid in zip(axes, QUANTITIES.values(), info.valid, strict=True):
        for epoch, values, colour, title in zip(info.epoch, valid, info.colours, info.titles, strict=True):
            marker = "o" if few or np.isfinite(values).sum() == 1 else ""  # one epoch is no line
            axis.plot(epoch, values, color=colour, marker=marker, linewidth=width, label=title)
        format_epochs(axis)
        axis.set_ylabel(f"{name}\n(nats per image)")
        finite = valid[np.isfinite(valid)]
        if finite.size and np.nanmax(finite) > 20 * max(0.1, float(np.median(finite))):
            axis.set_yscale("symlog", linthresh=max(0.1, float(np.median(finite))))
    if runs <= _MAX_NAMED:
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    else:
        draw_lambda_bar(axes[-1], info.kl_weight)
    axes[0].set_title("validation split", loc="left")
