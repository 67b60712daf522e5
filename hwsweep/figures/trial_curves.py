"""Distortion, rate and total loss on the validation split against the epoch, one line per run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.curves import QUANTITIES, CurvesInfo
from hwsweep.figures.drawing import load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = len(QUANTITIES)
NEEDS = {"curves"}
"""The figures that a run must have stored."""
_MOST_NAMED = 10  # lines that a legend tells apart
_MANY = 30  # lines; more of them are drawn thinner


class Line(NamedTuple):
    """One run as the caller describes it."""

    title: str
    colour: str
    folder: Path
    """Where the run stored curves.npz."""


class TrialCurvesInfo(NamedTuple):
    """Validation means in nats per image; shorter runs end in NaN."""

    titles: np.ndarray
    colours: np.ndarray
    epoch: Float64[np.ndarray, "runs epochs"]
    valid: Float64[np.ndarray, "3 runs epochs"]


def info(lines: Sequence[Line]) -> TrialCurvesInfo:
    """The curves of these runs, in this order, from what they stored.

    Raises:
        ValueError: no run.
    """
    if not lines:
        raise ValueError("curves of a study need a run, but got none")
    stored = [load(CurvesInfo, line.folder / "curves.npz") for line in lines]
    epochs = max(len(curves.epoch) for curves in stored)
    epoch, valid = np.full((len(lines), epochs), np.nan), np.full((PANELS, len(lines), epochs), np.nan)
    for run, curves in enumerate(stored):
        epoch[run, : len(curves.epoch)] = curves.epoch
        valid[:, run, : len(curves.epoch)] = curves.valid
    titles, colours = np.array([line.title for line in lines]), np.array([line.colour for line in lines])
    return TrialCurvesInfo(titles, colours, epoch, valid)


def draw(info: TrialCurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity, in the colour of each run's lambda; logarithmic where runs differ by far."""
    runs = len(info.titles)
    marker = "o" if info.epoch.shape[1] * runs <= _MANY else ""
    for axis, name, valid in zip(axes, QUANTITIES.values(), info.valid, strict=True):
        for line in range(runs):
            axis.plot(
                info.epoch[line],
                valid[line],
                color=info.colours[line],
                marker=marker,
                linewidth=1.4 if runs <= _MANY else 0.6,
                label=info.titles[line],
            )
        axis.set_box_aspect(0.85)
        axis.set_xlabel("epoch")
        axis.set_ylabel(f"{name}\n(nats per image)")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        finite = valid[np.isfinite(valid)]
        if finite.size and np.nanmax(finite) > 20 * max(0.1, float(np.median(finite))):
            axis.set_yscale("symlog", linthresh=max(0.1, float(np.median(finite))))
    if runs <= _MOST_NAMED:
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    axes[0].set_title("validation split", loc="left")
