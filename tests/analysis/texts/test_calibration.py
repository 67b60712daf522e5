"""Calibration error against cases worked out by hand, and against what must be so."""

from __future__ import annotations

import numpy as np
import pytest

from hwsweep.analysis.texts.classifier_metrics import calibration_error, overconfidence, reliability


def two_classes(confidence: list[float]) -> np.ndarray:
    return np.array([[value, 1 - value] for value in confidence])


def test_bins_count_texts_by_confidence_and_an_empty_one_has_no_mean() -> None:
    found = reliability(two_classes([0.55, 0.65, 0.9, 0.3]), np.array([True, False, True, True]), 5)
    assert found.n_texts.tolist() == [0, 0, 1, 2, 1]
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 0.55, 0.675, 0.9])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 1, 0.5, 1])


def test_the_error_is_the_gap_of_each_bin_weighted_by_its_texts() -> None:
    found = reliability(two_classes([0.55, 0.65, 0.9, 0.3]), np.array([True, False, True, True]), 5)
    # |0.55 - 1| + 2 |0.675 - 0.5| + |0.9 - 1|, over 4 texts
    assert calibration_error(found) == pytest.approx((0.45 + 2 * 0.175 + 0.1) / 4)
    assert overconfidence(found) == pytest.approx((0.55 + 0.65 + 0.9 + 0.7) / 4 - 3 / 4)


def test_a_bin_holds_its_upper_edge_and_certainty_is_in_the_last() -> None:
    found = reliability(two_classes([0.5, 0.75, 1.0]), np.ones(3, dtype=bool), 4)
    assert found.n_texts.tolist() == [0, 1, 1, 1]


def test_a_model_that_is_right_as_often_as_it_says_has_no_error() -> None:
    found = reliability(two_classes([0.75] * 8), np.array([True] * 6 + [False] * 2), 15)
    assert calibration_error(found) == pytest.approx(0)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_error_is_never_below_the_overconfidence(bins: int) -> None:
    generator = np.random.default_rng(0)
    probability = generator.dirichlet(np.ones(3), 211)
    found = reliability(probability, generator.random(211) < 0.4, bins)
    assert calibration_error(found) >= abs(overconfidence(found)) - 1e-12
    assert found.n_texts.sum() == 211
    if bins == 1:
        assert calibration_error(found) == pytest.approx(abs(overconfidence(found)))
