"""Dropout against its definition."""

from __future__ import annotations

import math

import pytest
import torch

from hwsweep.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_the_probability_says_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    n = 1_000_003
    x = Dropout(p)(torch.ones(n))
    dropped = (x == 0).double().mean().item()
    # five standard deviations of a binomial share, and the step of 1 / 65,536 in which p can be had
    assert abs(dropped - p) < 5 * math.sqrt(p * (1 - p) / n) + 1 / 65_536
    torch.testing.assert_close(x[x > 0], torch.full_like(x[x > 0], 1 / (1 - p)), rtol=1e-3, atol=0)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    n = 400_000
    dropped = (Dropout(0.5)(torch.ones(n)) == 0).double()
    for distance in (1, 2, 3, 4):
        both = (dropped[distance:] * dropped[:-distance]).mean().item()
        assert abs(both - 0.25) < 5 * math.sqrt(0.25 * 0.75 / n)


def test_gradients_are_dropped_where_the_values_are() -> None:
    torch.manual_seed(0)
    x = torch.ones(3, 5, 7, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_nothing_is_dropped_in_evaluation_or_at_zero() -> None:
    x = torch.randn(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, math.nan])
def test_a_probability_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"`transformer.dropout` must be a number in \[0, 1\)"):
        Dropout(p)
