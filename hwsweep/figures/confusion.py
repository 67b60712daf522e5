"""Confusion matrix: counts of test texts by true and predicted class, shaded by their share of the true class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib import colormaps
from matplotlib.axes import Axes

from hwsweep.figures import Trained
from hwsweep.figures.drawing import word_label

PANELS = 1
SHADES = colormaps["Blues"].resampled(20)  # few enough that a PNG stores each of them
_MOST_NUMBERED = 12  # classes; more numbers are too small to read
_DARK = 0.5  # share from which a number is white


class ConfusionInfo(NamedTuple):
    """A row per true class, a column per predicted class."""

    title: str
    classes: np.ndarray
    counts: Int64[np.ndarray, "classes classes"]
    share: Float64[np.ndarray, "classes classes"]
    """Share of the texts of the true class, 0 to 1; 0 for a class without texts."""
    accuracy: float


def info(trained: Trained) -> ConfusionInfo:
    """The confusion matrix of the test split, from the run's analysis.

    Raises:
        ValueError: the run has no lexicon, because it did not classify texts.
    """
    if trained.lexicon is None:
        raise ValueError("a confusion matrix needs classes, but this run has no lexicon; leave out `figures.confusion`")
    counts = trained.arrays["confusion"]
    return ConfusionInfo(
        title=trained.title,
        classes=np.array([word_label(name) for name in trained.lexicon.classes]),
        counts=counts.astype(np.int64),
        share=counts / np.maximum(1, counts.sum(1, keepdims=True)),
        accuracy=float(np.trace(counts) / counts.sum()),
    )


def draw(info: ConfusionInfo, axes: Sequence[Axes]) -> None:
    """A cell per pair of classes, with count and share if the classes are few."""
    (axis,) = axes
    ticks = range(len(info.classes))
    cells = axis.imshow(info.share, cmap=SHADES, vmin=0, vmax=1)
    axis.grid(False)
    axis.set_xticks(ticks, info.classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, info.classes)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    axis.set_title(f"{info.title}: {info.accuracy:.1%} of {info.counts.sum()} test texts correct")
    axis.figure.colorbar(cells, ax=axis, shrink=0.6, label="share of the texts of the true class")
    if len(info.classes) <= _MOST_NUMBERED:
        for (row, column), share in np.ndenumerate(info.share):
            colour = "white" if share >= _DARK else "black"
            number = f"{info.counts[row, column]}\n{share:.1%}"
            axis.text(column, row, number, color=colour, ha="center", va="center", fontsize=8)
