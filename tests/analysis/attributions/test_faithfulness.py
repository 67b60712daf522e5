"""Bounds against all permutations; the rest worked out by hand, and against scikit-learn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from small_texts import batch, model

from hwsweep.analysis.attributions import predict
from hwsweep.analysis.attributions.aopc_bounds import Bounds, aopc, aopc_bounds
from hwsweep.analysis.attributions.faithfulness import aopcs, erasure, normalised_aopc
from hwsweep.analysis.attributions.key_words import average_precision, chance_precision
from hwsweep.analysis.attributions.masking import masked_probabilities, masks_of_order, order_of


class Planted:
    """A random probability for every mask of a text."""

    def __init__(self, n_words: int, seed: int) -> None:
        self.values = np.random.default_rng(seed).random(2**n_words)

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        return self.values[masks @ (1 << np.arange(masks.shape[1]))]

    def bounds(self, n_words: int, exact_words: int, beam: int) -> Bounds:
        search = aopc_bounds(n_words, exact_words, beam)
        masks = next(search)
        while True:
            try:
                masks = search.send(self(masks))
            except StopIteration as end:
                return end.value

    def aopcs(self, n_words: int) -> list[float]:
        return [aopc(self(masks_of_order(np.array(order)))) for order in permutations(range(n_words))]


@pytest.mark.parametrize("n_words", [1, 2, 6])
def test_exact_bounds_are_those_of_all_orders(n_words: int) -> None:
    planted = Planted(n_words, seed=n_words)
    every = planted.aopcs(n_words)
    assert planted.bounds(n_words, 12, 1) == pytest.approx((min(every), max(every)))


def test_a_beam_that_holds_every_mask_is_exact_and_a_narrow_one_lies_within() -> None:
    planted = Planted(7, seed=0)
    exact = planted.bounds(7, 12, 1)
    assert planted.bounds(7, 0, 35) == pytest.approx(exact)  # at most 7 over 3 = 35 masks have one size
    narrow = planted.bounds(7, 0, 1)
    assert exact.lower <= narrow.lower < narrow.upper <= exact.upper
    assert narrow != pytest.approx(exact)  # else this test could not tell a beam from the exact bounds


def test_the_beam_finds_orders_that_exist() -> None:
    planted = Planted(6, seed=1)
    every = np.array(planted.aopcs(6))
    for bound in planted.bounds(6, 0, 2):
        assert np.abs(every - bound).min() < 1e-12


def test_the_mean_fall_of_the_probability_is_the_area_over_its_curve() -> None:
    assert aopc(np.array([0.9, 0.8, 0.3, 0.1])) == pytest.approx((0.1 + 0.6 + 0.8) / 3)


def test_orders_begin_with_the_highest_score_and_masks_grow_by_one_word() -> None:
    order = order_of(np.array([0.1, 0.7, -2.0, 0.7]))
    assert order.tolist() == [1, 3, 0, 2]
    assert masks_of_order(order).astype(int).tolist() == [[0] * 4, [0, 1, 0, 0], [0, 1, 0, 1], [1, 1, 0, 1], [1] * 4]


def test_each_measure_is_that_of_texts_with_pad_in_place_of_words() -> None:
    transformer, texts = model(), batch((4, 2))
    label = torch.tensor([1, 2])
    scores = {"planted": [np.array([0.0, 3.0, 1.0, 2.0]), np.array([1.0, 0.0])]}  # the order of the first: 1 3 2 0

    def p(row: int, *masked: int) -> float:
        token = texts["token"][row : row + 1].clone()
        token[0, list(masked)] = 0
        logits = transformer.outputs({"token": token, "length": texts["length"][row : row + 1]})["logits"]
        return float(logits.detach().softmax(1)[0, label[row]])

    found = erasure(transformer, texts, label, scores, (0.2, 0.5))  # 1 and 2 of 4 words, 1 and 1 of 2
    whole = [p(0), p(1)]
    expected = {
        "comprehensiveness": [whole[0] - (p(0, 1) + p(0, 1, 3)) / 2, whole[1] - p(1, 0)],
        "sufficiency": [whole[0] - (p(0, 3, 2, 0) + p(0, 2, 0)) / 2, whole[1] - p(1, 1)],
        "aopc": [
            whole[0] - (p(0, 1) + p(0, 1, 3) + p(0, 1, 3, 2) + p(0, 0, 1, 2, 3)) / 4,
            whole[1] - (p(1, 0) + p(1, 0, 1)) / 2,
        ],
    }
    found["aopc"] = aopcs(transformer, texts, label, scores)
    for quantity, values in expected.items():
        np.testing.assert_allclose(found[quantity]["planted"], values, atol=1e-6)


def test_the_normalised_aopc_of_the_best_order_is_one_and_of_the_worst_zero() -> None:
    transformer, texts = model(), batch((5, 3, 1))
    label = predict(transformer, texts)
    best, worst = [], []
    for row, length in enumerate((5, 3, 1)):
        one = {name: values[row : row + 1] for name, values in texts.items()}
        orders = list(permutations(range(length)))
        masks = np.concatenate([masks_of_order(np.array(order)) for order in orders])
        (values,) = masked_probabilities(transformer, one, label[row : row + 1], [masks])
        of_orders = [aopc(part) for part in np.split(values, len(orders))]
        best.append(max(of_orders))
        worst.append(min(of_orders))
    lowest, width = np.array(worst), np.array(best) - np.array(worst)
    for place in (0, 0.3, 1):
        plain = {"planted": lowest + place * width}
        found = normalised_aopc(transformer, texts, label, plain, exact_words=4, beam=10)  # 10 masks are a full beam
        np.testing.assert_allclose(found["planted"][:2], place, atol=1e-4)
        assert np.isnan(found["planted"][2])  # one word has one order


def test_precision_is_scikit_learns_with_ties_too() -> None:
    generator = np.random.default_rng(0)
    scores = [generator.integers(0, 5, n).astype(float) for n in (2, 7, 19, 40)]
    key = [generator.random(len(of_text)) < 0.4 for of_text in scores]
    key[0][:] = [True, False]
    expected = [average_precision_score(*pair) for pair in zip(key, scores, strict=True)]
    np.testing.assert_allclose(average_precision(scores, key), expected)
    assert np.isnan(average_precision([np.ones(3)], [np.zeros(3, dtype=bool)])).all()


@pytest.mark.parametrize("n_key", [1, 2, 5])
def test_chance_is_the_mean_over_all_orders(n_key: int) -> None:
    key = np.arange(5) < n_key
    orders = [average_precision_score(key, np.array(order)) for order in permutations(range(5))]
    assert chance_precision([key])[0] == pytest.approx(np.mean(orders))
