"""Silenced heads in a Transformer whose two heads can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_texts import transformer
from torch import nn

from hwsweep.analysis.texts.heads import HeadLosses, HeadPlan, analyse_heads, head_losses, sentence
from hwsweep.data import Examples, Splits
from hwsweep.models.transformer import Transformer


def planted() -> Transformer:
    """Class 0 for word 2, class 1 for word 3. The first head is needed for word 2, the second for word 3.

    A word is the vector x = (1, 0) or (0, 1). The layer gives x - 2 x with both heads, and the logits are minus that.
    Without the first head they are (-x1, x2), without the second (x1, -x2), without both -x.
    """
    model = transformer({"token": (1,), "word": (4,), "class": (2,)}, heads=2)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    model.layers[0].norms = nn.ModuleList([nn.Identity(), nn.Identity()])
    attention = model.layers[0].attention
    with torch.no_grad():
        attention.project.weight[4:] = torch.eye(2)  # values; a text has one word, so it attends to itself
        attention.mix.weight[:] = -2 * torch.eye(2)
        model.classify.weight[:] = -torch.eye(2)
    model.embedding = nn.Embedding.from_pretrained(torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 1]]))  # type: ignore
    return model


def words(*numbers: int) -> Examples:
    """Texts of one word each, with their classes."""
    token = torch.tensor(numbers, dtype=torch.int32)[:, None]
    return {"token": token, "length": torch.ones(len(numbers), dtype=torch.int32), "label": token[:, 0].long() - 2}


@pytest.mark.parametrize(("tolerance", "spare", "together"), [(0.01, [False, False], 0), (0.2, [True, False], 0.2)])
def test_each_head_costs_the_texts_that_need_it(tolerance: float, spare: list[bool], together: float) -> None:
    losses = head_losses(planted(), words(3, 3, 2, 3, 3), HeadPlan(n_texts=100, tolerance=tolerance))
    np.testing.assert_allclose(losses.one, [[0.2, 0.8]])
    assert losses.spare.tolist() == [spare]
    assert losses.together == pytest.approx(together)
    assert losses.n_texts == 5


def test_the_texts_are_spaced_evenly() -> None:
    losses = head_losses(planted(), words(2, 2, 2, 3, 3, 3, 3), HeadPlan(n_texts=3, tolerance=0.01))  # 1st, 4th, 7th
    np.testing.assert_allclose(losses.one, [[1 / 3, 2 / 3]])


def test_spare_heads_are_chosen_on_validation_texts_and_their_loss_is_given_on_the_test_split() -> None:
    splits = Splits(train={}, valid=words(3, 3, 3), test=words(2, 3, 3, 3))
    found = analyse_heads(planted(), splits, 1.0, HeadPlan(n_texts=3, tolerance=0.01))
    assert found.metrics == {
        "valid/head_loss": 1,
        "valid/spare_heads": 1,
        "valid/spare_heads_loss": 0,
        "test/spare_heads_loss": pytest.approx(0.25),
    }
    assert found.arrays["head_loss"].tolist() == [[0, 1]]
    assert found.arrays["head_spare"].tolist() == [[1, 0]]
    assert found.sentences == [
        "heads: 1 of 2 heads can be silenced at a loss of at most 1 point of accuracy on 3 validation texts "
        "(-25.0 points on the test split); the most needed is layer 1, head 2 (-100.0 points without it)"
    ]


def test_the_sentence_is_true_without_a_spare_head_and_without_a_needed_one() -> None:
    plan = HeadPlan(n_texts=7, tolerance=0.02)
    one = HeadLosses(1, np.array([[0.5]]), np.array([[False]]), 0.0)
    assert sentence(one, plan, 0.0) == (
        "heads: the only head cannot be silenced at a loss of at most 2 points of accuracy on 1 validation text; "
        "the most needed is layer 1, head 1 (-50.0 points without it)"
    )
    none = HeadLosses(7, np.array([[0.0, -0.1]]), np.array([[True, True]]), 0.0)
    assert sentence(none, plan, 0.0) == (
        "heads: 2 of 2 heads can be silenced together at a loss of at most 2 points of accuracy on 7 validation texts "
        "(+0.0 points on the test split); without any one head the accuracy is not lower"
    )


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`analysis.heads.tolerance` must be a number in \[0, 1\], but got 1.5"):
        HeadPlan(n_texts=5, tolerance=1.5)
    with pytest.raises(ValueError, match=r"`analysis.heads.n_texts` must be"):
        HeadPlan(n_texts=0, tolerance=0.1)
