"""Loss and error of a text classifier by epoch, and its attention on key words or its learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Float64

from hwsweep.figures.curves import draw_splits
from hwsweep.figures.drawing import GREY

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


class TextCurvesInfo(NamedTuple):
    """One row per panel, one column per epoch; NaN if a split does not measure the quantity."""

    title: str
    epoch: Float64[np.ndarray, " epochs"]
    quantities: np.ndarray
    """Keys of `NAMES`: loss, error, and key_attention if the run measured it, else lr."""
    train: Float64[np.ndarray, "3 epochs"]
    valid: Float64[np.ndarray, "3 epochs"]
    uniform: float
    """Share of uniform attention on the words that decide the class; NaN if the third quantity is lr."""


def info(trained: Trained) -> TextCurvesInfo:
    """Loss, error and the third quantity of every epoch on both splits."""
    from hwsweep.analysis.texts.classifier_metrics import key_share

    rows, uniform = trained.history, np.nan
    quantities = ["loss", "error", "lr"]
    if "valid/key_attention" in rows[0]:
        quantities[-1] = "key_attention"
        uniform = key_share(trained.test, len(cast("Transformer", trained.model).prefix))

    def columns(split: str) -> Float64[np.ndarray, "3 epochs"]:
        return np.array([[row.get(f"{split}/{quantity}", np.nan) for row in rows] for quantity in quantities])

    epoch = np.array([row["epoch"] for row in rows])
    return TextCurvesInfo(trained.title, epoch, np.array(quantities), columns("train"), columns("valid"), uniform)


def draw(info: TextCurvesInfo, axes: Sequence[Axes]) -> None:
    """One panel per quantity: training grey and dashed, validation black, uniform attention dotted."""
    for axis, quantity, train, valid in zip(axes, info.quantities, info.train, info.valid, strict=True):
        draw_splits(axis, info.epoch, train, valid)
        axis.set_ylabel(NAMES[str(quantity)])
        axis.set_ylim(bottom=0)
    if not np.isnan(info.uniform):
        axes[2].axhline(info.uniform, color=GREY, linestyle=":", label="uniform attention")
        axes[2].set_ylim(0, 1)
        axes[2].legend()
    axes[0].legend()
    axes[0].set_title(info.title, loc="left")
