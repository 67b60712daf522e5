"""Distortion, rate and total loss against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import BLACK, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained

QUANTITIES = {"distortion": "distortion", "rate": "rate", "loss": "total loss"}
"""Metric key after `split/` -> name on the axis."""
PANELS = len(QUANTITIES)

_MAX_MARKED = 30  # epochs; more markers than that hide the line
_VISIBLE_RATE = 0.1  # nats; a rate far below is rounding noise and should look like zero
_SPIKE = 20.0  # times the median; a linear axis would flatten everything but the spike


class CurvesInfo(NamedTuple):
    """Training and validation means in nats per image, one row per quantity, one column per epoch."""

    title: str
    epoch: Float64[np.ndarray, " epochs"]
    train: Float64[np.ndarray, "3 epochs"]
    valid: Float64[np.ndarray, "3 epochs"]


def info(trained: Trained) -> CurvesInfo:
    """Every epoch's distortion, rate and loss on both splits, in nats per image."""
    rows = trained.history

    def column(key: str) -> list[float]:
        return [float(row[key]) for row in rows]

    train, valid = (np.array([column(f"{split}/{key}") for key in QUANTITIES]) for split in ("train", "valid"))
    return CurvesInfo(trained.title, np.array(column("epoch")), train, valid)


def draw(info: CurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity: training grey and dashed, validation black."""
    marker = "o" if len(info.epoch) <= _MAX_MARKED else ""
    for axis, name, train, valid in zip(axes, QUANTITIES.values(), info.train, info.valid, strict=True):
        axis.plot(info.epoch, train, color=GREY, linestyle="--", marker=marker, label="train")
        axis.plot(info.epoch, valid, color=BLACK, marker=marker, label="valid")
        axis.set_box_aspect(0.85)
        axis.set_xlabel("epoch")
        axis.set_ylabel(f"{name}\n(nats per image)")
        axis.set_xlim(min(info.epoch) - 0.5, max(info.epoch) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    _limit_rate(axes[1], np.concatenate([info.train[1], info.valid[1]]))
    axes[0].legend()
    axes[0].set_title(info.title, loc="left")


def _limit_rate(axis: Axes, rates: Float64[np.ndarray, " values"]) -> None:
    """Start at zero and show at least `_VISIBLE_RATE`; logarithmic above the median if a few epochs dwarf it."""
    finite = rates[np.isfinite(rates)]
    top = max([_VISIBLE_RATE, *finite])
    usual = max(_VISIBLE_RATE, float(np.median(finite))) if finite.size else _VISIBLE_RATE
    if top > _SPIKE * usual:
        axis.set_yscale("symlog", linthresh=usual, linscale=2)
    axis.set_ylim(-0.05 * usual, (2 if top > _SPIKE * usual else 1.1) * top)
