"""The VAE against torch.distributions, closed forms and its own invariances."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm
from small_vae import random_images, small_vae
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from hwsweep.models.likelihoods import Bernoulli as BernoulliPixels
from hwsweep.models.likelihoods import Gaussian
from hwsweep.models.networks import convolutional, fully_connected
from hwsweep.models.vae import kl_to_standard_normal, pixels


def test_kl_equals_that_of_torch_distributions() -> None:
    mu, log_var = torch.randn(7, 5), torch.randn(7, 5)
    expected = kl_divergence(Normal(mu, torch.exp(log_var / 2)), Normal(torch.zeros(7, 5), torch.ones(7, 5)))
    torch.testing.assert_close(kl_to_standard_normal(mu, log_var), expected)


def test_kl_of_the_prior_itself_is_zero() -> None:
    assert kl_to_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)).abs().max() == 0


def test_bernoulli_distortion_is_the_negative_log_probability_of_black_and_white_images() -> None:
    logits = torch.randn(7, 3, 5, 2)
    image = torch.randint(0, 2, logits.shape).float()
    expected = -Bernoulli(logits=logits).log_prob(image).sum(dim=(1, 2, 3))
    torch.testing.assert_close(BernoulliPixels().distortion(logits, image), expected)


def test_bernoulli_distortion_and_its_gradient_are_those_of_torchs_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.cat(
        [torch.randn(5, 2, 3, 7) * 5, torch.tensor([0.0, -0.0, 40, -40, 1e4, -1e4]).expand(5, 2, 3, 6)], 3
    )
    image = torch.rand_like(logits)
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    distortion = BernoulliPixels().distortion(ours, image)
    expected = binary_cross_entropy_with_logits(theirs, image.double(), reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(distortion, expected.float())
    weights = torch.randn(5)
    (distortion * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad.float())


def test_bernoulli_distortion_is_finite_at_a_logit_where_the_naive_formula_is_not() -> None:
    logits = torch.tensor([110.0, -110.0]).reshape(1, 1, 1, 2)
    image = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert BernoulliPixels().distortion(logits, image).item() == pytest.approx(220.0)


@pytest.mark.parametrize("sigma2", [0.1, 1.0, 3.0])
def test_gaussian_distortion_is_the_negative_log_density_without_its_constant(sigma2: float) -> None:
    output, image = torch.randn(7, 3, 5, 2), torch.randn(7, 3, 5, 2)
    log_density = Normal(output, math.sqrt(sigma2)).log_prob(image).sum(dim=(1, 2, 3))
    constant = 30 / 2 * math.log(2 * math.pi * sigma2)
    torch.testing.assert_close(Gaussian(sigma2).distortion(output, image), -log_density - constant)


@pytest.mark.parametrize("kl_weight", [0.0, 1.0, 100.0])
def test_loss_is_distortion_plus_weighted_rate_and_neg_elbo_does_not_know_the_weight(kl_weight: float) -> None:
    losses = small_vae(kl_weight=kl_weight).losses(random_images())
    torch.testing.assert_close(losses["loss"], losses["distortion"] + kl_weight * losses["rate"])
    torch.testing.assert_close(losses["neg_elbo"], losses["distortion"] + losses["rate"])
    assert all(values.shape == (13,) for values in losses.values())


def test_at_lambda_zero_the_gradient_is_that_of_the_distortion() -> None:
    gradients = []
    for name in ("loss", "distortion"):
        model = small_vae(kl_weight=0.0)
        torch.manual_seed(5)
        model.losses(random_images())[name].mean().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_log_var_stays_within_its_limit_and_the_rate_finite_for_extreme_encoders() -> None:
    model = small_vae(kl_weight=0.0)
    with torch.no_grad():
        list(model.encoder.parameters())[-1].fill_(-1e4)
    outputs, losses = model.outputs(random_images()), model.losses(random_images())
    assert outputs["log_var"].abs().max() <= 10
    assert all(torch.isfinite(values).all() for values in losses.values())


def test_one_example_is_not_changed_by_its_neighbours() -> None:
    model, batch = small_vae(), random_images()
    alone = model.outputs({"image": batch["image"][4:5]})
    together = model.outputs(batch)
    for name in alone:
        torch.testing.assert_close(alone[name], together[name][4:5])


def test_bytes_become_intensities_from_zero_to_one() -> None:
    batch = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    torch.testing.assert_close(pixels(batch).flatten(), torch.tensor([0.0, 0.2, 1.0]))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (1, 5, 7), (3, 13, 29), (2, 1, 1)])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize(
    "networks",
    [
        partial(fully_connected, hidden=[11, 5], activation="relu"),
        partial(fully_connected, hidden=[], activation="relu"),
        partial(convolutional, channels=[3, 5], hidden=7, activation="relu"),
        partial(convolutional, channels=[3], hidden=[], activation="relu"),
        partial(convolutional, channels=[3, 5], hidden=[11, 5, 7], activation="tanh"),
    ],
    ids=["fully connected", "linear", "convolutional", "convolutional without hidden", "deep"],
)
def test_every_network_works_for_every_image_shape(shape: tuple[int, int, int], likelihood: str, networks: Any) -> None:
    model = small_vae(shape, networks=networks, likelihood=likelihood)
    outputs = model.outputs(random_images(3, shape))
    assert outputs["reconstruction"].shape == (3, *shape)
    assert outputs["mu"].shape == outputs["log_var"].shape == (3, 3)
    model.losses(random_images(3, shape))["loss"].mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("gelu", lambda x: x * norm.cdf(x)),  # Hendrycks & Gimpel 2016, arXiv:1606.08415
        ("silu", lambda x: x * expit(x)),  # Elfwing et al. 2018, arXiv:1702.03118
    ],
)
def test_two_hidden_layers_compute_the_composition_of_affine_maps_and_the_activation(
    activation: str, function: Callable[[np.ndarray], np.ndarray]
) -> None:
    model = small_vae(networks=partial(fully_connected, hidden=[11, 5], activation=activation))
    for network, start in ((model.encoder, torch.randn(2, 1, 5, 7)), (model.decoder, torch.randn(2, 3))):
        weights = [parameter.detach().double().numpy() for parameter in network.parameters()]
        assert len(weights) == 6  # three affine maps
        expected = start.flatten(1).double().numpy()
        for layer in range(3):
            expected = expected @ weights[2 * layer].T + weights[2 * layer + 1]
            expected = function(expected) if layer < 2 else expected
        np.testing.assert_allclose(network(start).detach().flatten(1).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("silu", nn.SiLU)])
def test_every_layer_of_a_convolutional_vae_has_the_activation_but_the_last_of_each_half(
    activation: str, kind: type[nn.Module]
) -> None:
    networks = partial(convolutional, channels=[3, 5], hidden=[7, 11], activation=activation)
    model = small_vae(networks=networks)
    for network, n_layers in ((model.encoder, 5), (model.decoder, 5)):
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        assert len(layers) == n_layers
        assert sum(isinstance(module, kind) for module in network.modules()) == n_layers - 1


def test_without_hidden_layers_encoder_and_decoder_are_affine() -> None:
    model = small_vae(networks=partial(fully_connected, hidden=[], activation="relu"), likelihood="gaussian")
    a, b = torch.rand(2, 1, 5, 7), torch.rand(2, 1, 5, 7)
    middle = model.encode((a + b) / 2)[0]
    torch.testing.assert_close(middle, (model.encode(a)[0] + model.encode(b)[0]) / 2)
    u, v = torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(model.decode((u + v) / 2), (model.decode(u) + model.decode(v)) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kl_weight": -1.0}, r"`vae.lambda` must be a finite number >= 0, but got -1.0"),
        ({"kl_weight": math.nan}, r"`vae.lambda` must be a finite number >= 0, but got nan"),
        ({"latent": 0}, r"`vae.latent` must be a whole number, at least 1, but got 0"),
        ({"sigma2": 0.0}, r"`vae.sigma2` must be a finite number > 0 .*, but got 0.0"),
        ({"likelihood": "poisson"}, r"`vae.likelihood` must be bernoulli or gaussian, but got 'poisson'"),
        ({"log_var_limit": 0}, r"`vae.log_var_limit` must be a number in \(0, 50\], but got 0"),
        (
            {"networks": partial(fully_connected, hidden=[3, 0], activation="relu")},
            r"`vae.hidden` must be .* but got \[3, 0\]",
        ),
        (
            {"networks": partial(fully_connected, hidden=3, activation="swish")},
            r"`vae.activation` must be relu, tanh, gelu or silu, but got 'swish'",
        ),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_vae(**change)
