"""Price and rise on a linear VAE, whose optimum is known, and kinds of planted posteriors."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pytest
import torch
from small_vae import small_vae

from hwsweep.analysis.latents import KINDS, Latents, count_metrics, kinds, measure_latents, unpaid
from hwsweep.analysis.posterior import Posterior
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE

SIGMA2, KL_WEIGHT, N = 0.5, 0.3, 997
EIGENVALUES = torch.tensor([2.0, 0.6, 0.2, 0.1, 0.1, 0.05])  # three above KL_WEIGHT * SIGMA2


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def optimum() -> tuple[VAE, torch.Tensor, Posterior]:
    """A linear VAE at its optimum (Tipping & Bishop 1999; Lucas et al. 2019), on images with just this covariance."""
    t = KL_WEIGHT * SIGMA2
    white = torch.randn(N, 6, generator=noise(1), dtype=torch.float64)
    white = torch.linalg.qr(white - white.mean(0)).Q * math.sqrt(N)
    along = white * EIGENVALUES.double().sqrt()
    axes = torch.linalg.qr(torch.randn(6, 6, generator=noise(2), dtype=torch.float64)).Q
    used = EIGENVALUES[:3].double()
    model = small_vae(
        (1, 2, 3),
        networks=lambda shape, latent: fully_connected(shape, latent, [], "relu"),
        likelihood="gaussian",
        sigma2=SIGMA2,
        kl_weight=KL_WEIGHT,
    )
    weight, bias = model.decoder.parameters()
    weight.data, bias.data = (axes[:, :3] * (used - t).sqrt()).float(), torch.zeros(6)
    mu = along[:, :3] * (used - t).sqrt() / used
    posterior = Posterior(mu.float(), (t / used).log().float().expand(N, 3))
    return model.eval(), (along @ axes.T).float().view(N, 1, 2, 3), posterior


def measured(model: VAE, image: torch.Tensor, posterior: Posterior, n_images: int = N) -> Latents:
    return measure_latents(model, image, posterior, n_images, 0.01, noise())


def test_price_and_rise_of_the_optimal_linear_vae_are_those_of_the_closed_form() -> None:
    model, image, posterior = optimum()
    found = measured(model, image, posterior)
    ratio = EIGENVALUES[:3].double().numpy() / (KL_WEIGHT * SIGMA2)
    np.testing.assert_allclose(found.price, KL_WEIGHT / 2 * np.log(ratio), rtol=1e-5)
    # |w|^2 = e - t, the latent's variance is 1 and the residual is uncorrelated with it: 2 (e - t) / (2 sigma2)
    expected = KL_WEIGHT * (ratio - 1)
    assert (np.abs(found.rise - expected) < 4 * found.rise_error).all()
    assert (found.rise_error < 0.2 * expected).all()
    assert not unpaid(found).any()


def test_a_latent_that_the_decoder_ignores_does_not_pay_and_only_that_one() -> None:
    model, image, posterior = optimum()
    next(model.decoder.parameters()).data[:, 1] = 0
    found = measured(model, image, posterior, n_images=53)
    assert found.rise[1] == found.rise_error[1] == 0
    assert unpaid(found).tolist() == [False, True, False]
    assert count_metrics(found)["test/unpaid_latents"] == 1
    assert found.price[0] > 0  # of all images, not of those whose latents are permuted
    np.testing.assert_array_equal(found.price, measured(model, image, posterior, n_images=11).price)


def test_at_lambda_zero_no_latent_has_a_price() -> None:
    model, image, posterior = optimum()
    model.given_kl_weight = 0.0
    assert not measured(model, image, posterior).price.any()


@pytest.mark.parametrize(
    ("price", "rise", "error", "expected"),
    [
        (1.0, 0.5, 0.16, True),
        (1.0, 0.5, 0.17, False),  # less than three standard errors
        (0.009, 0.0, 0.0, False),  # of no account
        (1.0, 1.5, 0.0, False),
        (1.0, -0.1, 0.2, True),
    ],
)
def test_unpaid_means_more_than_chance_and_more_than_nothing(
    price: float, rise: float, error: float, expected: bool
) -> None:
    columns = (np.array([value]) for value in (price, rise, error, 1.0, 1.0, 0.0))
    assert unpaid(Latents(*columns)).tolist() == [expected]


def planted(mean: torch.Tensor, variance: torch.Tensor | float) -> Posterior:
    """One latent of 100 images."""
    return Posterior(mean[:, None], (torch.ones(100) * variance).log()[:, None])


SIGNS = torch.tensor([-1.0, 1.0]).repeat(50)
HALF = (torch.arange(100) < 50).float()
RAMP = torch.linspace(-1, 1, 100)
PLANTED = {
    "active": [
        planted(SIGNS, 0.1),
        planted(0.4 * SIGNS, 0.85),  # little information, and the same for each image
        planted(SIGNS, 0.5 + 0.35 * RAMP),
        planted(SIGNS, 1.5),
    ],
    "mixed": [
        planted(math.sqrt(2) * SIGNS * HALF, 1 - 0.9 * HALF),  # the same variance of the mean as the first active one
        planted(0.1 * SIGNS, 1 - 0.9 * HALF),
    ],
    "passive": [
        planted(0 * SIGNS, 1.0),
        planted(0.2 * SIGNS, 0.97 + 0.12 * RAMP),  # the noise of an encoder
        planted(SIGNS * (torch.arange(100) < 4), 1 - 0.5 * (torch.arange(100) < 4).float()),  # used for 4 images
    ],
    "other": [planted(0 * SIGNS, 0.3), planted(0 * SIGNS + 0.7, 1.0), planted(0 * SIGNS, 2.0)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_planted_posteriors_have_their_kind(kind: str) -> None:
    mu, log_var = (torch.cat(parts, 1) for parts in zip(*PLANTED[kind], strict=True))
    assert [KINDS[int(i)] for i in kinds(Posterior(mu, log_var), 0.01)] == [kind] * len(PLANTED[kind])


def test_the_variance_of_the_mean_alone_does_not_tell_active_from_mixed() -> None:
    active, mixed = PLANTED["active"][0].mu, PLANTED["mixed"][0].mu
    assert float(active.var()) == pytest.approx(float(mixed.var()), rel=1e-6)


def test_each_latent_is_counted_once() -> None:
    mu, log_var = (torch.cat(parts, 1) for parts in zip(*chain.from_iterable(PLANTED.values()), strict=True))
    model = small_vae(latent=mu.shape[1])
    image = torch.zeros(100, 1, 5, 7, dtype=torch.uint8)
    counts = count_metrics(measured(model.eval(), image, Posterior(mu, log_var), n_images=7))
    assert {key: counts[f"test/{key}_latents"] for key in KINDS} == {k: len(PLANTED[k]) for k in KINDS}
