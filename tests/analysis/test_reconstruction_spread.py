"""The spread of reconstructions against scipy's distances."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import pdist

from hwsweep.analysis.collapse import mean_distance, reconstruction_spread


def images(n: int = 53) -> torch.Tensor:
    return torch.rand(n, 2, 5, 3, generator=torch.Generator().manual_seed(0))


def test_mean_distance_is_that_over_all_pairs() -> None:
    points = images().flatten(1)
    assert mean_distance(points) == pytest.approx(pdist(points.double().numpy()).mean())


def test_reconstructions_all_alike_have_no_spread_wherever_they_lie() -> None:
    assert reconstruction_spread(images(), torch.full((53, 2, 5, 3), 0.7)) == pytest.approx(0, abs=1e-9)


def test_nearly_equal_reconstructions_keep_their_small_spread() -> None:
    assert reconstruction_spread(images(), 0.5 + 1e-4 * images()) == pytest.approx(1e-4, rel=1e-2)


def test_perfect_reconstructions_spread_as_the_data_do_and_halved_ones_half_as_much() -> None:
    assert reconstruction_spread(images(), images()) == pytest.approx(1)
    assert reconstruction_spread(images(), images() / 2 + 3) == pytest.approx(0.5)
