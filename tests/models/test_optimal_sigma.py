"""The Gaussian likelihood whose variance is learned, against maximum likelihood by SciPy and probabilistic PCA."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from scipy.optimize import minimize_scalar
from small_vae import small_vae
from torch.distributions import Normal

from hwsweep.models.likelihoods import N_AVERAGED, OptimalGaussian
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE


def decoded(n: int = 7, error: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    image = torch.rand(n, 3, 5, 2, generator=generator)
    return image + error * torch.randn(image.shape, generator=generator), image


def negative_log_density(output: torch.Tensor, image: torch.Tensor, sigma2: float) -> torch.Tensor:
    return -Normal(output.double(), math.sqrt(sigma2)).log_prob(image.double()).sum(dim=(1, 2, 3))


def test_in_training_the_distortion_is_the_negative_log_density_at_the_most_likely_variance() -> None:
    output, image = decoded()
    best = minimize_scalar(lambda log_s2: float(negative_log_density(output, image, math.exp(log_s2)).sum()))
    expected = negative_log_density(output, image, math.exp(best.x)) - 30 / 2 * math.log(2 * math.pi)
    likelihood = OptimalGaussian()
    torch.testing.assert_close(likelihood.distortion(output, image).double(), expected, rtol=1e-5, atol=1e-5)
    # a search by values finds a minimum to about the root of the machine's precision
    assert float(likelihood.sigma2) == pytest.approx(math.exp(best.x), rel=1e-6)


def test_in_training_the_gradient_is_that_of_the_best_log_density() -> None:
    # D/2 ln(mean squared error) per image, whose gradient flows through the variance too
    output, image = decoded()
    output.requires_grad_()
    OptimalGaussian().distortion(output, image).mean().backward()
    taken, output.grad = output.grad, None
    (30 / 2 * torch.log((output - image).square().mean())).backward()
    torch.testing.assert_close(taken, output.grad)


def test_evaluation_uses_the_mean_over_training_batches_and_leaves_it_alone() -> None:
    likelihood = OptimalGaussian()
    errors = (0.1, 0.2, 0.6)
    for error in errors:
        likelihood.distortion(*decoded(error=error))
    running_mean = (
        sum(float((output - image).square().mean()) for output, image in (decoded(error=e) for e in errors)) / 3
    )
    output, image = decoded(error=2.0)
    found = likelihood.eval().distortion(output, image)
    expected = negative_log_density(output, image, running_mean) - 30 / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert float(likelihood.sigma2) == pytest.approx(running_mean, rel=1e-6)


def test_old_batches_fade() -> None:
    likelihood = OptimalGaussian()
    for error in [9.0] * N_AVERAGED + [0.3] * 10 * N_AVERAGED:
        likelihood.distortion(*decoded(error=error))
    output, image = decoded(error=0.3)
    # (1 - 1/100)^1000 = 4e-5 of 9^2 / 0.3^2 = 900 is left
    assert float(likelihood.sigma2) == pytest.approx(float((output - image).square().mean()), rel=0.05)


def test_a_perfect_reconstruction_has_the_variance_of_rounding_to_bytes() -> None:
    _, image = decoded()
    found = OptimalGaussian().distortion(image, image)
    torch.testing.assert_close(found, torch.full((7,), 30 / 2 * math.log(1 / 12 / 255**2)))


def test_in_evaluation_one_image_is_not_changed_by_its_neighbours() -> None:
    output, image = decoded()
    likelihood = OptimalGaussian().eval()
    torch.testing.assert_close(
        likelihood.distortion(output, image)[3:4], likelihood.distortion(output[3:4], image[3:4])
    )


def learned(latent: int = 2, side: int = 3) -> VAE:
    linear = partial(fully_connected, hidden=[], activation="relu")
    return small_vae((1, side, 2), networks=linear, latent=latent, likelihood="gaussian", sigma2="learned")


def test_the_learned_variance_is_reported_and_part_of_a_checkpoint() -> None:
    _, image = decoded()
    model = learned(side=3)
    batch = {"image": image[:, :1, :3]}
    model.losses(batch)
    other = learned()
    other.load_state_dict(model.state_dict())
    torch.manual_seed(1)
    found = model.eval().losses(batch)
    torch.manual_seed(1)
    same = other.eval().losses(batch)
    assert all(torch.equal(found[name], same[name]) for name in found)
    assert torch.equal(found["sigma2"], model.state_dict()["likelihood.sigma2"].expand(7))
    assert float(found["sigma2"][0]) != 1.0


def test_a_linear_vae_learns_the_variance_of_probabilistic_pca() -> None:
    # Tipping & Bishop 1999, eq. 8: the mean of the eigenvalues that the latents leave out
    generator = torch.Generator().manual_seed(5)
    deviations = torch.tensor([1.0, 0.7, 0.25, 0.22, 0.2, 0.18])
    image = (0.5 + deviations * torch.randn(997, 6, generator=generator)).reshape(997, 1, 3, 2)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(image.flatten(1).T, correction=0)).flip(0)
    model = learned()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(800):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 800)
        optimizer.zero_grad()
        model.losses({"image": image})["loss"].mean().backward()
        optimizer.step()
    # each batch's error has a relative noise of about sqrt(2 / (997 * 6)) = 2 %, a mean over 100 of them 0.2 %,
    # but the gradient's noise keeps the weights a little off: 2 %
    sigma2 = float(model.eval().losses({"image": image})["sigma2"][0])
    assert sigma2 == pytest.approx(float(eigenvalues[2:].mean()), rel=0.02)


def test_a_learned_variance_needs_a_gaussian() -> None:
    with pytest.raises(ValueError, match=r"`vae.sigma2=learned` needs `vae.likelihood=gaussian`, but got bernoulli"):
        small_vae(sigma2="learned", likelihood="bernoulli")
    with pytest.raises(ValueError, match=r"`vae.sigma2` must be a finite number > 0 .or learned., but got 'free'"):
        small_vae(sigma2="free", likelihood="gaussian")
