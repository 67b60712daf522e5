"""The probes of latent codes against scikit-learn and planted answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier

from hwsweep.analysis import probe
from hwsweep.analysis.posterior import Posterior
from hwsweep.analysis.probe import factor_r2, neighbour_accuracy


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clusters(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 5
    return draw(5, 3, seed=99)[labels] + 0.8 * draw(n, 3, seed=seed), labels


@pytest.mark.parametrize("pairs_at_once", [2_000_000, 500])
def test_neighbour_accuracy_is_that_of_scikit_learn(pairs_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PAIRS_AT_ONCE", pairs_at_once)
    codes, labels = clusters(211, 1)
    test_codes, test_labels = clusters(101, 2)
    expected = KNeighborsClassifier(7).fit(codes.numpy(), labels.numpy()).score(test_codes.numpy(), test_labels.numpy())
    assert 0.3 < expected < 0.95
    assert neighbour_accuracy(codes, labels, test_codes, test_labels, 7) == pytest.approx(expected)


def test_codes_without_information_are_read_no_better_than_chance() -> None:
    labels, test_labels = torch.arange(500) % 5, torch.arange(500) % 5
    found = neighbour_accuracy(draw(500, 3, seed=1), labels, draw(500, 3, seed=2), test_labels, 7)
    # 500 guesses at 1/5: standard deviation 0.018, four of them
    assert found == pytest.approx(0.2, abs=0.072)


def test_without_posterior_noise_r2_is_that_of_least_squares() -> None:
    mu, test_mu = draw(97, 4, seed=1), draw(89, 4, seed=2)
    mix = draw(4, 2, seed=3)
    factors, test_factors = mu @ mix + draw(97, 2, seed=4) + 5, test_mu @ mix + draw(89, 2, seed=5) + 5
    predicted = LinearRegression().fit(mu.numpy(), factors.numpy()).predict(test_mu.numpy())
    expected = r2_score(test_factors.numpy(), predicted, multioutput="raw_values")
    found = factor_r2(Posterior(mu, torch.full((97, 4), -30.0)), factors, test_mu, test_factors)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_weights_are_those_of_least_squares_on_sampled_codes() -> None:
    mu, log_var = draw(97, 2, seed=1), draw(97, 2, seed=6) / 2
    factors = mu @ draw(2, 1, seed=3) + 0.3 * draw(97, 1, seed=4)
    copies = 3000
    z = mu.repeat(copies, 1) + torch.exp(log_var / 2).repeat(copies, 1) * draw(97 * copies, 2, seed=5)
    model = LinearRegression().fit(z.numpy(), factors.repeat(copies, 1).numpy())
    expected = r2_score(factors.numpy(), model.predict(mu.numpy()))
    # weights from 291,000 draws stray by about 1/sqrt(291,000) = 0.2 %, R^2 by less than 1 %
    assert float(factor_r2(Posterior(mu, log_var), factors, mu, factors)) == pytest.approx(expected, rel=0.01)
    assert expected < 0.9


def test_a_trace_far_below_the_noise_of_the_posterior_is_not_read() -> None:
    factors = draw(97, 1, seed=1)
    assert float(factor_r2(Posterior(1e-4 * factors, torch.zeros(97, 1)), factors, 1e-4 * factors, factors)) < 1e-6


def test_a_factor_that_is_constant_on_the_test_split_has_no_r2() -> None:
    mu = draw(13, 2, seed=1)
    constant = torch.cat([mu[:, :1], torch.ones(13, 1)], 1)
    found = factor_r2(Posterior(mu, torch.full((13, 2), -30.0)), mu, mu, constant)
    assert float(found[0]) == pytest.approx(1)
    assert torch.isnan(found[1])
