"""What a classifier of texts is called, beside a baseline and chance, and one sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from hwsweep.analysis.baseline import Comparison

ERRORS = 2
"""Standard errors that the accuracy must lie above that of always naming one class, not to be called chance."""


class TextVerdict(NamedTuple):
    """The name of what a classifier has learned, and why."""

    name: str
    """chance, below baseline, at baseline or above baseline."""
    sentence: str
    """One plain sentence with the numbers, beginning with the name."""


def verdict(metrics: Mapping[str, float], compared: Comparison, label: Int[np.ndarray, " n"]) -> TextVerdict:
    """Name a run by the first of these rules that holds.

    1. chance: not `ERRORS` standard errors better than naming the most frequent class for every text.
    2. at baseline: which texts it and the better baseline have right does not tell them apart (`compare`).
    3. above baseline or below baseline.

    Args:
        metrics: of the test split, by key, as `measure` names them.
        compared: the model with the better of the two baselines.
        label: of the test texts.
    """
    accuracy, n_texts = metrics["test/accuracy"], len(label)
    share = float(np.bincount(label).max()) / n_texts
    if accuracy <= share + ERRORS * (share * (1 - share) / n_texts) ** 0.5:
        why = f"{accuracy:.1%} of {n_texts} test texts right, where naming one class for all gets {share:.1%}"
        return TextVerdict("chance", f"chance: {why}")
    points, error = (100 * value for value in (compared.difference, compared.standard_error))
    name = f"{('above' if points > 0 else 'below') if compared.significant else 'at'} baseline"
    better = "words and pairs" if metrics["baseline/bigram_accuracy"] > metrics["baseline/accuracy"] else "words"
    return TextVerdict(
        name,
        f"{name}: {accuracy:.1%} of {n_texts} test texts right, {abs(points):.1f} ± {error:.1f} points "
        f"{'below' if points < 0 else 'above'} TF-IDF of {better} with logistic regression "
        f"({accuracy - compared.difference:.1%}); {compared.only_first} right that it has wrong, "
        f"{compared.only_second} wrong that it has right",
    )
