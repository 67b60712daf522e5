"""What needs no deep network: TF-IDF and logistic regression on the same splits, and the comparison with it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from jaxtyping import Bool, Int

log = logging.getLogger(__name__)

FORMAT = 1
"""Part of the key: raise it when the same settings would give other predictions."""

SIGNIFICANT = 3.84
"""McNemar's statistic that chance exceeds once in twenty: the 95 % point of chi-squared with 1 degree of freedom."""


@dataclass(frozen=True)
class BaselinePlan:
    """How the baseline is fitted; every value comes from conf."""

    ngrams: int
    """Most words in a row that are counted together: 1 is words alone."""
    min_texts: int
    """Fewest training texts with a word, or words in a row, for it to count."""
    inverse_penalty: float
    """C of scikit-learn's logistic regression."""
    max_iter: int
    """Most steps of its solver."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"`{name}` of a baseline must be > 0, but got {value!r}")


class Comparison(NamedTuple):
    """Two classifiers on the same texts."""

    difference: float
    """Accuracy of the first minus that of the second, -1 to 1."""
    standard_error: float
    """Of the difference, from the texts on which they differ."""
    only_first: int
    """Texts that the first alone has right."""
    only_second: int
    significant: bool
    """Whether McNemar's test with correction for continuity tells them apart at 5 % (Edwards 1948)."""


def baseline_predictions(
    train: Sequence[str], label: Int[np.ndarray, " n"], test: Sequence[str], plan: BaselinePlan, folder: Path
) -> Int[np.ndarray, " m"]:
    """The class of each test text, after learning from training texts and their labels.

    Kept in `folder` under a key of texts, labels and plan: every run of a study has the same. One process fits, the
    others wait.
    """
    path = folder / f"{_key(train, label, test, plan)}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            log.info("baseline: fitting TF-IDF with up to %d-grams to %d texts, once", plan.ngrams, len(train))
            part = path.with_name(f".{path.name}.{os.getpid()}")
            part.write_text(json.dumps(_predict(train, label, test, plan).tolist()), encoding="utf-8")
            part.replace(path)
    return np.array(json.loads(path.read_text(encoding="utf-8")), dtype=np.int64)


def compare(first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"]) -> Comparison:
    """Two classifiers by which of the same texts each has right."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ, n_texts = only_first + only_second, len(first)
    difference = (only_first - only_second) / n_texts
    error = max(0.0, differ / n_texts - difference**2) ** 0.5 / n_texts**0.5
    beyond_chance = max(0, abs(only_first - only_second) - 1) ** 2
    return Comparison(difference, error, only_first, only_second, beyond_chance > SIGNIFICANT * differ)


def _predict(
    train: Sequence[str], label: Int[np.ndarray, " n"], test: Sequence[str], plan: BaselinePlan
) -> Int[np.ndarray, " m"]:
    """Each test text's class; the most frequent one where there is no word or one class only to learn from."""
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
    predicted: Int[np.ndarray, " m"] = fitted.predict(words.transform(test))
    return predicted


def _key(train: Sequence[str], label: Int[np.ndarray, " n"], test: Sequence[str], plan: BaselinePlan) -> str:
    digest = hashlib.sha256(f"{FORMAT} {plan!r} {label.tolist()}".encode())
    for texts in (train, test):
        digest.update(json.dumps(list(texts)).encode())
    return digest.hexdigest()[:32]
