"""Whether a classifier is correct as often as its confidence says: bins of confidence, and their mean gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64


class Reliability(NamedTuple):
    """Texts by the probability of their predicted class, in bins of equal width (k/bins, (k+1)/bins]."""

    n_texts: Float64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]
    """Mean probability of the predicted class, 0 to 1; NaN in an empty bin."""
    accuracy: Float64[np.ndarray, " bins"]
    """Share of texts that are classified correctly, 0 to 1; NaN in an empty bin."""


def reliability(probability: Float[np.ndarray, "n classes"], correct: Bool[np.ndarray, " n"], bins: int) -> Reliability:
    """Confidence and accuracy per bin of confidence (Guo et al. 2017, arXiv:1706.04599, sec. 2).

    Args:
        correct: whether the most probable class of each text is its own.
    """
    confidence = probability.max(1).astype(np.float64)
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    n_texts = np.bincount(bin_of, minlength=bins).astype(np.float64)
    sums = (np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, correct))
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        return Reliability(n_texts, *(total / n_texts for total in sums))


def calibration_error(bins: Reliability) -> float:
    """Expected calibration error (ECE), 0 to 1: mean over texts of |confidence - accuracy| of their bin (eq. 3)."""
    return float(np.nansum(bins.n_texts * np.abs(bins.confidence - bins.accuracy)) / bins.n_texts.sum())


def overconfidence(bins: Reliability) -> float:
    """Mean confidence minus accuracy over all texts, -1 to 1; above 0 the model is too confident."""
    return float(np.nansum(bins.n_texts * (bins.confidence - bins.accuracy)) / bins.n_texts.sum())
