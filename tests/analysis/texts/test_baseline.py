"""The baseline on texts with a planted answer; the comparison against a binomial test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from small_texts import text_plan

from hwsweep.analysis.texts import baseline
from hwsweep.analysis.texts.baseline import BaselinePlan, baseline_predictions, compare
from hwsweep.data.texts.tokenizers import Tokenizer, basic_english, character, whitespace
from hwsweep.data.texts.tokens import encode_splits

WORDS = BaselinePlan(ngrams=1, min_texts=1, inverse_penalty=10.0, max_iter=200)
PAIRS = replace(WORDS, ngrams=2)
SPACES = whitespace()


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


def predictions(
    train: list[str], label: np.ndarray, test: list[str], plan: BaselinePlan, split: Tokenizer = SPACES
) -> np.ndarray:
    """Of texts that are encoded as a run does."""
    texts = {"train": train, "valid": train[:1], "test": test}
    labels = {"train": label.tolist(), "valid": [0], "test": [0] * len(test)}
    classes = [str(k) for k in range(label.max() + 1)]
    splits = encode_splits(texts, labels, classes, split, text_plan(), None)
    return baseline_predictions(splits.train, splits.test, splits.digest(), plan)


def test_the_baseline_finds_the_words_that_give_the_class() -> None:
    (train, label), (test, expected) = planted(101, 0), planted(53, 1)
    np.testing.assert_array_equal(predictions(train, label, test, WORDS), expected)


def test_pairs_of_words_use_an_order_that_single_words_do_not() -> None:
    (train, label), (test, expected) = ordered(101, 0), ordered(97, 1)
    np.testing.assert_array_equal(predictions(train, label, test, PAIRS), expected)
    assert np.mean(predictions(train, label, test, WORDS) == expected) < 0.7


@pytest.mark.parametrize("plan", [WORDS, PAIRS])
def test_the_baseline_is_that_of_scikit_learn_on_the_tokens_of_the_run(plan: BaselinePlan) -> None:
    (train, label), (test, _) = planted(101, 2), planted(97, 3)
    test += ordered(13, 4)[0]  # with unknown words
    label[::5] = 1 - label[::5]  # so that the weights matter
    oracle = make_pipeline(
        TfidfVectorizer(tokenizer=basic_english(), token_pattern=None, lowercase=False, ngram_range=(1, plan.ngrams)),
        LogisticRegression(C=10.0, max_iter=200),
    )
    expected = oracle.fit(train, label).predict(test)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(predictions(train, label, test, plan, basic_english()), expected)


@pytest.mark.parametrize("separator", [" ", ""])
def test_tokens_of_one_character_count(separator: str) -> None:
    """scikit-learn's own tokens leave out words of one character, and do not split Chinese."""
    train = [separator.join(text) for text in ("今天踢球", "明天股市", "他踢足球", "看股票跌")] * 5
    test = [separator.join(text) for text in ("足球", "股跌")]
    found = predictions(train, np.array([0, 1, 0, 1] * 5), test, WORDS, SPACES if separator else character())
    assert found.tolist() == [0, 1]


def test_the_baseline_reads_no_more_of_a_text_than_the_model() -> None:
    (train, label), (test, _) = planted(101, 0), planted(53, 1)  # the fifth word gives the class
    texts = {"train": train, "valid": train[:1], "test": test}
    labels = {"train": label.tolist(), "valid": [0], "test": [0] * len(test)}
    cut = encode_splits(texts, labels, ["0", "1"], whitespace(), text_plan(max_length=4), None)
    shorter = {name: [" ".join(text.split()[:4]) for text in of_split] for name, of_split in texts.items()}
    short = encode_splits(shorter, labels, ["0", "1"], whitespace(), text_plan(), None)
    np.testing.assert_array_equal(
        baseline_predictions(cut.train, cut.test, "cut", WORDS),
        baseline_predictions(short.train, short.test, "short", WORDS),
    )


def test_without_features_or_a_second_class_the_most_frequent_class_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    label = np.array([2, 0, 2])
    assert predictions(["a", "b", "c"], label, ["a", "b"], replace(WORDS, min_texts=2)).tolist() == [2, 2]
    assert "the baseline has no features, because no token is in min_texts=2 training texts" in caplog.text
    assert predictions(["a word"] * 3, np.ones(3, int), ["b"], WORDS).tolist() == [1]


def test_the_baseline_is_fitted_once_per_data_and_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, label), (test, _) = planted(101, 0), planted(53, 1)
    first = predictions(train, label, test, WORDS)
    fits = []
    monkeypatch.setattr(baseline, "_fit_and_predict", lambda *given: fits.append(given) or first)
    np.testing.assert_array_equal(predictions(train, label, test, WORDS), first)
    assert not fits
    predictions(train[::-1], label, test, WORDS)
    predictions(train, 1 - label, test, WORDS)
    predictions(train, label, test[:7], WORDS)
    predictions(train, label, test, PAIRS)
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
