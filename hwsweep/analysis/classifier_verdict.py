"""The verdict on a text classifier: chance, or below, at or above the baseline, with one sentence of reasons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from hwsweep.analysis import Verdict
from hwsweep.analysis.baseline import Comparison

ERRORS = 2
"""An accuracy is chance unless it is this many standard errors above that of always predicting one class."""


def verdict(metrics: Mapping[str, float], comparison: Comparison, label: Int[np.ndarray, " n"]) -> Verdict:
    """Name a run by the first of these rules that holds.

    1. chance: not `ERRORS` standard errors better than always predicting the most frequent class.
    2. at baseline: McNemar's test does not tell the run and the better baseline apart (`compare`).
    3. above baseline or below baseline.

    Args:
        metrics: of the test split, by key, as `analyse` names them.
        comparison: the model with the better of the two baselines.
        label: of the test texts.
    """
    accuracy, n_texts = metrics["test/accuracy"], len(label)
    share = float(np.bincount(label).max()) / n_texts
    correct = f"{accuracy:.1%} of {n_texts} test texts are classified correctly"
    if accuracy <= share + ERRORS * (share * (1 - share) / n_texts) ** 0.5:
        return Verdict("chance", f"chance: {correct}; always predicting the most frequent class gives {share:.1%}")
    points, error = (100 * value for value in (comparison.difference, comparison.standard_error))
    name = f"{('above' if points > 0 else 'below') if comparison.significant else 'at'} baseline"
    features = "words and pairs" if metrics["baseline/bigram_accuracy"] > metrics["baseline/accuracy"] else "words"
    return Verdict(
        name,
        f"{name}: {correct}, {abs(points):.1f} ± {error:.1f} points {'below' if points < 0 else 'above'} logistic "
        f"regression on TF-IDF of {features} ({accuracy - comparison.difference:.1%}); {comparison.only_first} texts "
        f"are correct only here, {comparison.only_second} only in the baseline",
    )
