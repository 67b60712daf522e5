"""Which classes are taken for which: counts of test texts, shaded by their share of the true class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib import colormaps

from hwsweep.figures.drawing import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained

PANELS = 1
SHADES = colormaps["Blues"].resampled(20)  # few enough that a PNG keeps each of them
_MOST_NUMBERED = 12  # classes; more numbers than that cannot be read
_DARK = 0.5  # share from which a number is white


class ConfusionInfo(NamedTuple):
    """True classes downwards, predicted ones to the right."""

    title: str
    classes: np.ndarray
    counts: Int64[np.ndarray, "classes classes"]
    share: Float64[np.ndarray, "classes classes"]
    """Of the texts of the true class, 0 to 1; 0 where there are none."""
    accuracy: float


def info(trained: Trained) -> ConfusionInfo:
    """The confusions that the run's analysis counted on the test split.

    Raises:
        ValueError: the run has no lexicon: it did not classify texts.
    """
    if trained.lexicon is None:
        raise ValueError("confusions need classes, but this run has no lexicon; leave out `figures.confusion`")
    counts = trained.arrays["confusion"]
    return ConfusionInfo(
        title=trained.title,
        classes=np.array([plain(name) for name in trained.lexicon.classes]),
        counts=counts.astype(np.int64),
        share=counts / np.maximum(1, counts.sum(1, keepdims=True)),
        accuracy=float(np.trace(counts) / counts.sum()),
    )


def draw(info: ConfusionInfo, axes: Sequence[Axes]) -> None:
    """A cell per pair of classes, with its count and share unless they are too many."""
    (axis,) = axes
    places = range(len(info.classes))
    cells = axis.imshow(info.share, cmap=SHADES, vmin=0, vmax=1)
    axis.grid(False)
    axis.set_xticks(places, info.classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(places, info.classes)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    axis.set_title(f"{info.title}: {info.accuracy:.1%} of {info.counts.sum()} test texts right")
    axis.figure.colorbar(cells, ax=axis, shrink=0.6, label="share of the texts of the true class")
    if len(info.classes) <= _MOST_NUMBERED:
        for (row, column), share in np.ndenumerate(info.share):
            colour = "white" if share >= _DARK else "black"
            number = f"{info.counts[row, column]}\n{share:.1%}"
            axis.text(column, row, number, color=colour, ha="center", va="center", fontsize=8)
