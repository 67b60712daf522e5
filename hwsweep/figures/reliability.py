"""Reliability diagram: accuracy against confidence, and the distribution of the confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from hwsweep.figures import Trained
from hwsweep.figures.drawing import BLACK, BLUE, GREY, VERMILLION

PANELS = 2


class ReliabilityInfo(NamedTuple):
    """Test texts in bins of equal width by the probability of their predicted class."""

    title: str
    n_texts: Float64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]
    """Mean over the bin's texts, 0 to 1; NaN in an empty bin."""
    accuracy: Float64[np.ndarray, " bins"]
    error: float
    """Expected calibration error (ECE), 0 to 1."""


def info(trained: Trained) -> ReliabilityInfo:
    """The bins of the test split, from the run's analysis."""
    from hwsweep.analysis.texts.classifier_metrics import Reliability, calibration_error

    bins = Reliability(*(trained.arrays[f"calibration_{name}"] for name in Reliability._fields))
    return ReliabilityInfo(trained.title, *bins, calibration_error(bins))


def draw(info: ReliabilityInfo, axes: Sequence[Axes]) -> None:
    """Left: accuracy of each bin and its gap to the confidence; right: share of texts in each bin."""
    gaps, histogram = axes
    n_bins = len(info.n_texts)
    left, filled = np.arange(n_bins) / n_bins, info.n_texts > 0
    gaps.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect calibration")
    gaps.bar(left[filled], info.accuracy[filled], 1 / n_bins, align="edge", color=BLUE, edgecolor="white")
    gaps.vlines(info.confidence[filled], info.confidence[filled], info.accuracy[filled], color=VERMILLION, label="gap")
    gaps.plot(info.confidence[filled], info.accuracy[filled], "o", color=BLACK)
    gaps.set_ylabel("accuracy (share of texts correct)")
    gaps.set_ylim(0, 1)
    gaps.legend(loc="upper left")
    gaps.set_title(f"{info.title}: calibration error (ECE) {info.error:.3f}", loc="left")
    histogram.bar(left, info.n_texts / info.n_texts.sum(), 1 / n_bins, align="edge", color=GREY, edgecolor="white")
    histogram.set_ylabel("share of test texts")
    for axis in axes:
        axis.set_box_aspect(0.9)
        axis.set_xlim(0, 1)
        axis.set_xlabel("confidence (probability of the predicted class)")
