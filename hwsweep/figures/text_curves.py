"""Loss and error of a classifier of texts against the epoch, and where its attention goes or its learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Float64
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import BLACK, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained
    from hwsweep.models.transformer import Transformer

PANELS = 3
NAMES = {
    "loss": "cross-entropy\n(nats per text)",
    "error": "error\n(share of texts)",
    "key_attention": "share of attention on\nwords that decide the class",
    "lr": "learning rate",
}
"""Metric key after `split/` -> name on the axis."""
_MAX_MARKED = 30  # epochs; more markers than that hide the line


class TextCurvesInfo(NamedTuple):
    """One row per panel, one column per epoch; NaN where a split does not measure it."""

    title: str
    epoch: Float64[np.ndarray, " epochs"]
    quantities: np.ndarray
    """Keys of `NAMES`: loss, error, and key_attention if it is measured, else lr."""
    train: Float64[np.ndarray, "3 epochs"]
    valid: Float64[np.ndarray, "3 epochs"]
    even: float
    """Share of attention on the words that decide the class if all words of the test texts got the same; or NaN."""


def info(trained: Trained) -> TextCurvesInfo:
    """Every epoch's loss, error and third quantity on both splits."""
    from hwsweep.analysis.classifier_metrics import key_share

    rows, even = trained.history, np.nan
    quantities = ["loss", "error", "lr"]
    if "valid/key_attention" in rows[0]:
        quantities[-1] = "key_attention"
        even = key_share(trained.test, len(cast("Transformer", trained.model).prefix))

    def columns(split: str) -> Float64[np.ndarray, "3 epochs"]:
        return np.array([[row.get(f"{split}/{quantity}", np.nan) for row in rows] for quantity in quantities])

    epoch = np.array([row["epoch"] for row in rows])
    return TextCurvesInfo(trained.title, epoch, np.array(quantities), columns("train"), columns("valid"), even)


def draw(info: TextCurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity: training grey and dashed, validation black, even attention dotted."""
    marker = "o" if len(info.epoch) <= _MAX_MARKED else ""
    for axis, quantity, train, valid in zip(axes, info.quantities, info.train, info.valid, strict=True):
        if not np.isnan(train).all():
            axis.plot(info.epoch, train, color=GREY, linestyle="--", marker=marker, label="train")
        if not np.isnan(valid).all():
            axis.plot(info.epoch, valid, color=BLACK, marker=marker, label="valid")
        axis.set_box_aspect(0.85)
        axis.set_xlabel("epoch")
        axis.set_ylabel(NAMES[str(quantity)])
        axis.set_xlim(min(info.epoch) - 0.5, max(info.epoch) + 0.5)
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    if not np.isnan(info.even):
        axes[2].axhline(info.even, color=GREY, linestyle=":", label="even attention")
        axes[2].set_ylim(0, 1)
        axes[2].legend()
    axes[0].legend()
    axes[0].set_title(info.title, loc="left")
