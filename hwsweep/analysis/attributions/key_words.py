"""Whether an attribution finds the words that decide the class, where the data set knows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64


def average_precision(
    scores: Sequence[Float64[np.ndarray, " _"]], key: Sequence[Bool[np.ndarray, " _"]]
) -> Float64[np.ndarray, " texts"]:
    """Area under the precision-recall curve of finding a text's key words by score, 0 to 1; NaN without key words."""
    return np.array([_precision(*pair) for pair in zip(scores, key, strict=True)], dtype=np.float64)


def _precision(scores: Float64[np.ndarray, " words"], key: Bool[np.ndarray, " words"]) -> float:
    """The mean over the key words of the precision among the words that score at least as high.

    That is scikit-learn's `average_precision_score`, which takes fifty times as long for one text.
    """
    if not key.any():
        return np.nan
    chosen = scores >= scores[key][:, None]
    return float(np.mean((chosen & key).sum(1) / chosen.sum(1)))


def chance_precision(key: Sequence[Bool[np.ndarray, " _"]]) -> Float64[np.ndarray, " texts"]:
    """The mean average precision of all orders of a text's words, 0 to 1; NaN without key words.

    With r key words among n: H/n + (r - 1) / (n - 1) (1 - H/n), where H = 1 + 1/2 + ... + 1/n (Bestgen 2015).
    """
    return np.array([_chance(int(is_key.sum()), len(is_key)) for is_key in key], dtype=np.float64)


def _chance(n_key: int, n_words: int) -> float:
    if n_key == 0:
        return np.nan
    first = float(np.mean(1 / np.arange(1, n_words + 1)))  # of the highest key word, if it stands alone
    return first + (n_key - 1) / max(1, n_words - 1) * (1 - first)
