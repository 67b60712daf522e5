"""The baseline on texts with a planted answer; the comparison against a binomial test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from hwsweep.analysis.texts import baseline
from hwsweep.analysis.texts.baseline import BaselinePlan, baseline_predictions, compare

WORDS = BaselinePlan(ngrams=1, min_texts=1, inverse_penalty=10.0, max_iter=200)
PAIRS = replace(WORDS, ngrams=2)


def planted(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """The word "goal" or "share" gives the class; the other words are noise."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, n)
    noise = generator.choice(["today", "monday", "report", "city", "early"], (n, 4))
    return [" ".join([*words, ("goal", "share")[k]]) for words, k in zip(noise, label, strict=True)], label


def ordered(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Only the order of two words gives the class."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, n)
    noise = generator.choice(["today", "monday", "report", "city", "early"], n)
    return [f"{word} {('dog bites man', 'man bites dog')[k]}" for word, k in zip(noise, label, strict=True)], label


def test_the_baseline_finds_the_words_that_give_the_class() -> None:
    (train, label), (test, expected) = planted(101, 0), planted(53, 1)
    np.testing.assert_array_equal(baseline_predictions(train, label, test, WORDS), expected)


def test_pairs_of_words_use_an_order_that_single_words_do_not() -> None:
    (train, label), (test, expected) = ordered(101, 0), ordered(97, 1)
    np.testing.assert_array_equal(baseline_predictions(train, label, test, PAIRS), expected)
    assert np.mean(baseline_predictions(train, label, test, WORDS) == expected) < 0.7


@pytest.mark.parametrize("text", ["", "!!! ...", "\x00\ufffd", "\ud800"])
def test_without_words_or_a_second_class_the_most_frequent_class_is_named(text: str) -> None:
    label = np.array([2, 0, 2])
    assert baseline_predictions([text] * 3, label, [text] * 2, WORDS).tolist() == [2, 2]
    assert baseline_predictions(["a word"] * 3, np.ones(3, int), [text], WORDS).tolist() == [1]


def test_the_baseline_is_fitted_once_per_texts_labels_and_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, label), (test, _) = planted(101, 0), planted(53, 1)
    first = baseline_predictions(train, label, test, WORDS)
    fits = []
    monkeypatch.setattr(baseline, "_fit_and_predict", lambda *given: fits.append(given) or first)
    np.testing.assert_array_equal(baseline_predictions(train, label, test, WORDS), first)
    assert not fits
    baseline_predictions(train[::-1], label, test, WORDS)
    baseline_predictions(train, 1 - label, test, WORDS)
    baseline_predictions(train, label, test[:7], WORDS)
    baseline_predictions(train, label, test, PAIRS)
    assert len(fits) == 4


@pytest.mark.parametrize("name", ["ngrams", "min_texts", "inverse_penalty", "max_iter"])
def test_a_setting_that_cannot_be_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}` must be a .*, but got 0"):
        replace(WORDS, **{name: 0})


def answers(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, first, second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_a_difference_has_the_standard_error_of_the_differences_of_single_texts() -> None:
    first, second = answers(61, 13, 5, 21)
    found = compare(first, second)
    per_text = first.astype(float) - second
    assert (found.only_first, found.only_second) == (13, 5)
    assert found.difference == pytest.approx(per_text.mean())
    assert found.standard_error == pytest.approx(per_text.std() / 10)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (1, 0), (5, 0), (8, 0), (0, 9), (13, 5), (18, 5), (40, 60), (55, 45), (300, 260)]
)
def test_differences_are_significant_where_an_exact_test_says_so(first: int, second: int) -> None:
    exact = first + second > 0 and binomtest(first, first + second).pvalue < 0.05
    assert compare(*answers(500, first, second, 100)).significant == exact
    assert compare(*answers(0, first, second, 1)).significant == exact
