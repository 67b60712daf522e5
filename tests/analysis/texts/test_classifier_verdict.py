"""Each rule of the verdict, with the numbers that its sentence must hold."""

from __future__ import annotations

import numpy as np
import pytest

from hwsweep.analysis import Verdict
from hwsweep.analysis.texts.baseline import compare
from hwsweep.analysis.texts.classifier import verdict

LABEL = np.repeat([0, 1, 2, 3], 100)


def judged(both: int, first: int, second: int, bigrams_better: bool = True) -> Verdict:
    """Of a model with `both + first` of 400 texts right and a better baseline with `both + second`."""
    model = np.arange(400) < both + first
    other = (np.arange(400) < both) | (np.arange(400) >= 400 - second)
    accuracy = {"test/accuracy": float(model.mean()), "baseline/accuracy": float(other.mean())}
    return verdict(
        accuracy | {"baseline/bigram_accuracy": float(other.mean()) + (0.1 if bigrams_better else 0)},
        compare(model, other),
        LABEL,
    )


@pytest.mark.parametrize(
    ("both", "first", "second", "name"),
    [(300, 60, 20, "above"), (300, 20, 60, "below"), (300, 20, 20, "at"), (300, 24, 16, "at"), (360, 5, 0, "at")],
)
def test_a_run_is_named_by_its_place_beside_the_better_baseline(both: int, first: int, second: int, name: str) -> None:
    assert judged(both, first, second).label == f"{name} baseline"


def test_a_run_that_does_no_better_than_naming_one_class_is_chance_whatever_the_baseline_does() -> None:
    # 25 % +- 2.165 % of 400 texts: up to 29.33 %, 117 texts
    assert judged(0, 117, 0).label == "chance"
    assert judged(0, 118, 0).label == "above baseline"
    assert (
        judged(0, 117, 0).sentence == "chance: 29.2% of 400 test texts are classified correctly; "
        "always predicting the most frequent class gives 25.0%"
    )


def test_the_sentence_says_by_how_much_and_beside_what() -> None:
    # (60 - 20) / 400 = 10 points; sqrt(80 / 400 - 0.1^2) / 20 = 2.18 points
    assert judged(300, 60, 20).sentence == (
        "above baseline: 90.0% of 400 test texts are classified correctly, 10.0 ± 2.2 points above logistic regression "
        "on TF-IDF of words and pairs (80.0%); 60 texts are correct only here, 20 only in the baseline"
    )
    assert "4.0 points" not in judged(300, 24, 16).sentence
    assert (
        "2.0 ± 1.6 points below logistic regression on TF-IDF of words ("
        in judged(300, 16, 24, bigrams_better=False).sentence
    )
