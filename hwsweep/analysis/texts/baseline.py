"""The baseline of a text classifier: logistic regression on TF-IDF, on the same splits, and the comparison with it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from hwsweep.analysis.cache import cached
from hwsweep.argument_checks import check_count, check_number

log = logging.getLogger(__name__)

FORMAT = 1
"""Part of the cache key: raise it when the same settings give other predictions."""

SIGNIFICANT = 3.84
"""McNemar's statistic that chance exceeds once in twenty: the 95 % point of chi-squared with 1 degree of freedom."""


@dataclass(frozen=True)
class BaselinePlan:
    """How the baseline is fitted; every value comes from conf."""

    ngrams: int
    """Largest number of consecutive words that form one feature: 1 is single words."""
    min_texts: int
    """Smallest number of training texts that must contain a feature."""
    inverse_penalty: float
    """C of scikit-learn's logistic regression."""
    max_iter: int
    """Largest number of steps of its solver."""

    def __post_init__(self) -> None:
        for name in ("ngrams", "min_texts", "max_iter"):
            check_count(f"analysis.{{unigrams,bigrams}}.{name}", getattr(self, name))
        check_number("analysis.{unigrams,bigrams}.inverse_penalty", self.inverse_penalty, "(0, inf)")


class Comparison(NamedTuple):
    """Two classifiers on the same texts."""

    difference: float
    """Accuracy of the first minus that of the second, -1 to 1."""
    standard_error: float
    """Standard error of the difference, from the texts on which the two differ."""
    only_first: int
    """Number of texts that only the first classifies correctly."""
    only_second: int
    significant: bool
    """Whether McNemar's test with continuity correction tells the two apart at 5 % (Edwards 1948)."""


def baseline_predictions(
    train: Sequence[str], label: Int[np.ndarray, " n"], test: Sequence[str], plan: BaselinePlan
) -> Int[np.ndarray, " m"]:
    """The predicted class of each test text, after fitting to the training texts and their labels.

    Cached under texts, labels and plan: all runs of a study have the same baseline.
    """

    def fit() -> dict[str, Tensor]:
        log.info("baseline: fitting TF-IDF with up to %d-grams to %d texts, once", plan.ngrams, len(train))
        return {"predicted": torch.from_numpy(_fit_and_predict(train, label, test, plan))}

    texts = json.dumps([list(train), list(test)])
    return np.asarray(cached("baselines", f"{FORMAT} {plan!r} {label.tolist()} {texts}", fit)["predicted"])


def compare(first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"]) -> Comparison:
    """Compare two classifiers by which of the same texts each one classifies correctly."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ, n_texts = only_first + only_second, len(first)
    difference = (only_first - only_second) / n_texts
    error = max(0.0, differ / n_texts - difference**2) ** 0.5 / n_texts**0.5
    beyond_chance = max(0, abs(only_first - only_second) - 1) ** 2
    return Comparison(difference, error, only_first, only_second, beyond_chance > SIGNIFICANT * differ)


def _fit_and_predict(
    train: Sequence[str], label: Int[np.ndarray, " n"], test: Sequence[str], plan: BaselinePlan
) -> Int[np.ndarray, " m"]:
    """The class of each test text; the most frequent class if the training texts have no words or one class only."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    most_frequent = np.full(len(test), np.bincount(label).argmax())
    if len(np.unique(label)) == 1:
        return most_frequent
    words = TfidfVectorizer(ngram_range=(1, plan.ngrams), min_df=plan.min_texts)
    try:
        weights = words.fit_transform(train)
    except ValueError:  # no word is in `min_texts` texts
        return most_frequent
    fitted = LogisticRegression(C=plan.inverse_penalty, max_iter=plan.max_iter).fit(weights, label)
    return np.asarray(fitted.predict(words.transform(test)))
