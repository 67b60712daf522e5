"""Distortion, rate and total loss by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hwsweep.figures import Trained
from hwsweep.figures.drawing import BLACK, GREY

QUANTITIES = {"distortion": "distortion", "rate": "rate", "loss": "total loss"}
"""Metric key after `split/` -> name on the axis."""
PANELS = len(QUANTITIES)
Epochs = Float64[np.ndarray, " epochs"]
"""A number per epoch."""

_MAX_MARKED = 30  # epochs; more markers hide the line
_VISIBLE_RATE = 0.1  # nats; a rate far below is rounding noise and should look like zero
_SPIKE = 20.0  # times the median; such a value would flatten all others on a linear axis


class CurvesInfo(NamedTuple):
    """Training and validation means in nats per image, one row per quantity, one column per epoch."""

    title: str
    epoch: Epochs
    train: Float64[np.ndarray, "3 epochs"]
    valid: Float64[np.ndarray, "3 epochs"]


def info(trained: Trained) -> CurvesInfo:
    """Distortion, rate and loss of every epoch on both splits, in nats per image."""
    rows = trained.history
    train, valid = (
        np.array([[row[f"{split}/{quantity}"] for row in rows] for quantity in QUANTITIES], dtype=np.float64)
        for split in ("train", "valid")
    )
    return CurvesInfo(trained.title, np.array([row["epoch"] for row in rows]), train, valid)


def draw(info: CurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity: training grey and dashed, validation black."""
    for axis, name, train, valid in zip(axes, QUANTITIES.values(), info.train, info.valid, strict=True):
        draw_splits(axis, info.epoch, train, valid)
        axis.set_ylabel(f"{name}\n(nats per image)")
    _limit_rate(axes[1], np.concatenate([info.train[1], info.valid[1]]))
    axes[0].legend()
    axes[0].set_title(info.title, loc="left")


def draw_splits(axis: Axes, epoch: Epochs, train: Epochs, valid: Epochs) -> None:
    """Draw one quantity on both splits against the epoch; a split without a number is left out."""
    marker = "o" if len(epoch) <= _MAX_MARKED else ""
    for name, values, colour, line in (("train", train, GREY, "--"), ("valid", valid, BLACK, "-")):
        if not np.isnan(values).all():
            axis.plot(epoch, values, color=colour, linestyle=line, marker=marker, label=name)
    axis.set_xlim(min(epoch) - 0.5, max(epoch) + 0.5)
    format_epochs(axis)


def format_epochs(axis: Axes) -> None:
    """Make the horizontal axis one of epochs, with whole numbers."""
    axis.set_box_aspect(0.85)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


def _limit_rate(axis: Axes, rates: Float64[np.ndarray, " values"]) -> None:
    """Start at zero and show at least `_VISIBLE_RATE`; logarithmic if a few epochs exceed the median by far."""
    finite = rates[np.isfinite(rates)]
    top = max([_VISIBLE_RATE, *finite])
    usual = max(_VISIBLE_RATE, float(np.median(finite))) if finite.size else _VISIBLE_RATE
    if top > _SPIKE * usual:
        axis.set_yscale("symlog", linthresh=usual, linscale=2)
    axis.set_ylim(-0.05 * usual, (2 if top > _SPIKE * usual else 1.1) * top)
