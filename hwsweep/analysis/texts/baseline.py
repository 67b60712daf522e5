"""The baseline of a text classifier: logistic regression on TF-IDF of the same tokens, and the comparison with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from hwsweep.analysis.cache import cached
from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import Examples

log = logging.getLogger(__name__)

FORMAT = 2
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
    train: Examples, test: Examples, data_digest: str, plan: BaselinePlan
) -> Int[np.ndarray, " m"]:
    """The predicted class of each test text, after fitting to the training texts and their labels.

    Its features are the tokens that a model reads: of the same tokenizer, with `<unk>` for the same words, and cut
    after as many tokens. Cached under the digest and the plan: all runs with the same data have the same baseline.

    Args:
        data_digest: equal for equal splits (`Splits.digest`).
    """

    def fit() -> dict[str, Tensor]:
        n_texts = len(train["label"])
        log.info("baseline: fitting TF-IDF with up to %d-grams to %d texts, once", plan.ngrams, n_texts)
        return {"predicted": torch.from_numpy(_fit_and_predict(train, test, plan))}

    return np.asarray(cached("baselines", f"{FORMAT} {plan!r} {data_digest}", fit)["predicted"])


def compare(first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"]) -> Comparison:
    """Compare two classifiers by which of the same texts each one classifies correctly."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ, n_texts = only_first + only_second, len(first)
    difference = (only_first - only_second) / n_texts
    error = max(0.0, differ / n_texts - difference**2) ** 0.5 / n_texts**0.5
    beyond_chance = max(0, abs(only_first - only_second) - 1) ** 2
    return Comparison(difference, error, only_first, only_second, beyond_chance > SIGNIFICANT * differ)


def _fit_and_predict(train: Examples, test: Examples, plan: BaselinePlan) -> Int[np.ndarray, " m"]:
    """The class of each test text; the most frequent class if there are no features, or one class only."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    label = train["label"].numpy()
    most_frequent = np.full(len(test["label"]), np.bincount(label).argmax())
    if len(np.unique(label)) == 1:
        return most_frequent
    features = TfidfVectorizer(
        tokenizer=str.split, token_pattern=None, lowercase=False, ngram_range=(1, plan.ngrams), min_df=plan.min_texts
    )
    try:
        weights = features.fit_transform(_numbers(train))
    except ValueError:  # no token is in `min_texts` texts
        log.warning(
            "the baseline has no features, because no token is in min_texts=%d training texts or more: it predicts "
            "the most frequent class",
            plan.min_texts,
        )
        return most_frequent
    fitted = LogisticRegression(C=plan.inverse_penalty, max_iter=plan.max_iter).fit(weights, label)
    return np.asarray(fitted.predict(features.transform(_numbers(test))))


def _numbers(examples: Examples) -> list[str]:
    """The token ids of each text, between spaces: unlike words, they have no spaces inside."""
    rows = zip(examples["token"].tolist(), examples["length"].tolist(), strict=True)
    return [" ".join(map(str, row[:length])) for row, length in rows]
