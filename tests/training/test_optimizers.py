"""Optimizers of dense and sparse gradients against torch's own on each part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from hwsweep.models.embedding import TokenEmbedding
from hwsweep.training.optimizers import SGD, Adam, DenseAndSparse

BETAS = {"lr": 0.01, "betas": [0.8, 0.9], "eps": 0.03, "fused": True}
ADAM = {**BETAS, "weight_decay": 0.0, "decoupled_weight_decay": False}
ADAMW = {**BETAS, "weight_decay": 0.1, "decoupled_weight_decay": True}
SETTINGS: list[tuple[Callable[..., Any], dict[str, Any], type[torch.optim.Optimizer]]] = [
    (Adam, ADAM, torch.optim.Adam),
    (Adam, ADAMW, torch.optim.AdamW),
    (SGD, {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "fused": True}, torch.optim.SGD),
]


def network(sparse: bool = True) -> nn.Module:
    torch.manual_seed(0)
    embedding = TokenEmbedding(7, 5, dim=None, frozen=False, sparse=sparse)
    return nn.Sequential(embedding, nn.Linear(5, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, token: list[int]) -> None:
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        model(torch.tensor([token])).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


@pytest.mark.parametrize(("build", "settings", "reference"), SETTINGS)
def test_without_a_sparse_table_it_is_the_optimizer_of_torch(
    build: Callable[..., Any], settings: dict[str, Any], reference: type
) -> None:
    optimizer = build(**settings)(network(sparse=False).parameters())
    assert type(optimizer) is reference
    [group] = optimizer.param_groups
    expected = {name: value for name, value in settings.items() if name != "decoupled_weight_decay"}
    assert {name: list(group[name]) if name == "betas" else group[name] for name in expected} == expected


def test_adam_on_rows_that_every_step_touches_equals_dense_adam_with_the_gradient_clipped() -> None:
    every_word, eps = [1, 2, 2, 3, 4, 5, 6], 1e-8  # torch's two add a larger one at different places
    sparse, dense = network(), network(sparse=False)
    train(sparse, Adam(**ADAM | {"eps": eps})(sparse.parameters()), 5, every_word)
    train(dense, torch.optim.Adam(dense.parameters(), lr=0.01, betas=(0.8, 0.9), eps=eps), 5, every_word)
    for ours, theirs in zip(sparse.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("build", "settings", "reference"), SETTINGS)
def test_a_step_moves_only_the_rows_of_its_words(
    build: Callable[..., Any], settings: dict[str, Any], reference: type
) -> None:
    model = network()
    before = model[0].table.detach().clone()
    optimizer = build(**settings)(model.parameters())
    train(model, optimizer, 1, [2, 3])
    train(model, optimizer, 2, [5, 0])
    moved = (model[0].table != before).any(1)
    assert moved.tolist() == [False, False, True, True, False, True, False]


def test_training_that_was_cut_goes_on_to_the_same_weights() -> None:
    whole, cut = network(), network()
    train(whole, Adam(**ADAM)(whole.parameters()), 5, [2, 3])
    first = Adam(**ADAM)(cut.parameters())
    train(cut, first, 2, [2, 3])
    second = Adam(**ADAM)(cut.parameters())
    second.load_state_dict(first.state_dict())
    train(cut, second, 3, [2, 3])
    for ours, theirs in zip(cut.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_both_kinds_have_the_moments_and_epsilon_of_the_settings() -> None:
    groups = Adam(**ADAM)(network().parameters()).param_groups
    assert [(group["lr"], group["betas"], group["eps"]) for group in groups] == [(0.01, (0.8, 0.9), 0.03)] * 2


def test_the_learning_rate_of_both_kinds_is_set_through_the_groups_also_after_loading() -> None:
    model = network()
    optimizer = Adam(**ADAM)(model.parameters())
    assert isinstance(optimizer, DenseAndSparse)
    optimizer.load_state_dict(optimizer.state_dict())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    train(model, optimizer, 1, [2, 3])
    assert len(optimizer.param_groups) == 2
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("build", "settings", "change", "message"),
    [
        (Adam, ADAM, {"lr": -1}, "`optimizer.lr` must be a finite number >= 0, but got -1"),
        (Adam, ADAM, {"weight_decay": float("nan")}, "`optimizer.weight_decay` must be a finite number >= 0"),
        (
            Adam,
            ADAM,
            {"betas": [0.9, 1.0]},
            r"`optimizer.betas` must be a list of 2 numbers in \[0, 1\), but got \[0.9, 1.0\]",
        ),
        (Adam, ADAM, {"eps": 0}, "`optimizer.eps` must be a finite number > 0, but got 0"),
        (SGD, SETTINGS[2][1], {"momentum": -0.1}, "`optimizer.momentum` must be a finite number >= 0"),
    ],
)
def test_a_setting_out_of_range_is_refused_before_an_optimizer_is_built(
    build: Callable[..., Any], settings: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(**(settings | change))
