"""The VAE for every lambda: it is an ordinary VAE at each, and learns the linear optimum of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from small_vae import random_images

from hwsweep.models.all_lambda_vae import AllLambdaVAE
from hwsweep.models.kl_terms import Constant, FreeBits
from hwsweep.models.networks import convolutional
from hwsweep.models.vae import VAE, kl_to_standard_normal

SHAPE = (3, 5, 7)


def all_lambda_vae(
    channels: Sequence[int] = (),
    hidden: Sequence[int] = (11,),
    shape: tuple[int, int, int] = SHAPE,
    is_new: bool = False,
    **changes: Any,
) -> AllLambdaVAE:
    """A model for lambda = 0.1 to 100; its conditioning is not the initial one unless it `is_new`."""
    torch.manual_seed(0)
    values = {
        "networks": partial(convolutional, channels=channels, hidden=hidden, activation="relu"),
        "latent": 3,
        "likelihood": "bernoulli",
        "sigma2": 1.0,
        "kl_weight": 1.0,
        "kl_term": Constant(),
        "pixel_context": None,
        "log_var_limit": 10.0,
        "lambda_range": [0.1, 100],
        "lambda_margin": 2.0,
        "collapse_draws": 0.4,
        "conditioning_width": 5,
        "conditioning_knots": 4,
    }
    model = AllLambdaVAE({"image": shape}, **(values | changes))
    if is_new:
        return model
    with torch.no_grad():
        for name, parameter in model.conditioning.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.1 if name == "tau_change" else 0.3))
    return model.eval()


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize(("channels", "hidden"), [((), (11,)), ((), ()), ((), (11, 13)), ((2, 3), (11,)), ((2,), ())])
def test_the_vae_of_a_lambda_does_what_the_model_does_at_it(
    channels: Sequence[int], hidden: Sequence[int], likelihood: str
) -> None:
    model = all_lambda_vae(channels, hidden, likelihood=likelihood)
    images = torch.rand(7, *SHAPE)
    weights = torch.tensor([0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
    with torch.no_grad():
        torch.manual_seed(5)
        distortion, rate = model.distortion_and_rate(images, torch.log(weights))
        torch.manual_seed(5)
        noise = torch.randn(7, 3)
        for i, weight in enumerate(weights.tolist()):
            single = model.at(max(0.1, weight))
            assert type(single) is VAE and single.kl_weight == pytest.approx(weight)
            mu, log_var = single.encode(images[i : i + 1])
            z = mu + torch.exp(log_var / 2) * noise[i : i + 1]
            posterior = torch.distributions.Normal(mu, torch.exp(log_var / 2))
            expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum()
            torch.testing.assert_close(rate[i], expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(distortion[i], single.distortion(z, images[i : i + 1])[0], rtol=1e-4, atol=1e-4)


def test_outputs_and_losses_without_noise_are_those_of_the_reference_lambda() -> None:
    model = all_lambda_vae(kl_weight=7.0)
    batch = random_images(shape=SHAPE)
    single, own = model.at(7.0).outputs(batch), model.outputs(batch)
    assert {name: values.shape for name, values in own.items()} == {
        name: values.shape for name, values in single.items()
    }
    torch.testing.assert_close(own["mu"], single["mu"])
    with torch.no_grad():
        torch.testing.assert_close(
            model.losses(batch)["rate"], model.at(7.0).losses(batch)["rate"], rtol=1e-4, atol=1e-5
        )


def test_a_latent_beyond_its_lambda_of_collapse_has_the_prior_as_posterior() -> None:
    model = all_lambda_vae()
    with torch.no_grad():
        model.conditioning.log_tau_start.copy_(torch.tensor([2.0, 20.0, 200.0]).log())
        model.conditioning.tau_change.zero_()
    images = random_images(shape=SHAPE)
    outputs = model.at(30.0).outputs(images)
    assert outputs["mu"][:, :2].abs().max() == 0
    assert outputs["log_var"][:, :2].abs().max() == 0
    assert outputs["mu"][:, 2].std() > 0


def test_every_example_of_a_training_batch_has_its_own_lambda_from_the_whole_range() -> None:
    model = all_lambda_vae(lambda_margin=1.0, collapse_draws=0.0).train()
    with torch.no_grad():
        model.conditioning.log_tau_start.fill_(-20.0)  # total collapse: nothing else differs between equal images
        model.conditioning.network[2].weight.zero_()
        model.conditioning.network[2].bias.zero_()
        image = random_images(shape=SHAPE)["image"][:1].expand(100, *SHAPE)
        losses = model.losses({"image": image})
    weights = (losses["distortion"] / losses["loss"]).square() - 1  # the loss's factor is 1 / sqrt(1 + lambda)
    shares = (torch.log(weights) - math.log(0.1)) / math.log(1000)
    torch.testing.assert_close((shares.sort().values * 100).floor(), torch.arange(100.0), atol=1.0, rtol=0)


def test_a_share_of_the_training_lambdas_lies_where_latents_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    model = all_lambda_vae(lambda_margin=1.0, collapse_draws=0.3).train()
    with torch.no_grad():
        model.conditioning.log_tau_start.copy_(torch.tensor([5.0, 2.0, 20.0]).log())
        model.conditioning.tau_change.zero_()
    drawn: list[torch.Tensor] = []

    def record(image: torch.Tensor, log_weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        drawn.append(log_weight)
        return torch.zeros(len(image)), torch.zeros(len(image))

    monkeypatch.setattr(model, "distortion_and_rate", record)
    model.losses({"image": torch.zeros(1000, *SHAPE)})
    inside = ((drawn[0] > math.log(2)) & (drawn[0] < math.log(20))).sum().item()
    # of 300 all, of the other 700 the share ln 10 / ln 1000 = 1/3: one in each of 700 equal intervals, so +-2
    assert inside == pytest.approx(300 + 700 / 3, abs=2)
    assert drawn[0].min() < math.log(0.11) and drawn[0].max() > math.log(99)


def test_losses_in_evaluation_mode_are_the_same_each_time() -> None:
    model = all_lambda_vae()
    batch = random_images(shape=SHAPE)
    with torch.no_grad():
        torch.manual_seed(3)
        first = model.losses(batch)
        torch.manual_seed(3)
        second = model.losses(batch)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kl_weight", [0.0, 0.0999, 100.1, -1.0, math.nan])
def test_a_lambda_outside_the_trained_range_is_refused(kl_weight: float) -> None:
    with pytest.raises(ValueError, match=r"trained range \[0.1, 100\], but got"):
        all_lambda_vae().at(kl_weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda_range": [0, 100]}, "vae.lambda_range"),
        ({"lambda_range": [100, 0.1]}, "low < high"),
        ({"lambda_range": [1]}, "a list of 2"),
        ({"kl_weight": 0.01}, r"vae.lambda` must be .*\[0.1, 100\]"),
        ({"kl_term": FreeBits(free_nats=1.0)}, "kl=constant"),
        ({"sigma2": "learned", "likelihood": "gaussian"}, "learned one differs"),
        ({"lambda_margin": 0.5}, "vae.lambda_margin"),
        ({"collapse_draws": 1.0}, "vae.collapse_draws"),
        ({"conditioning_width": 0}, "vae.conditioning_width"),
    ],
)
def test_settings_that_make_no_curve_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        all_lambda_vae(**changes)


@pytest.mark.slow
def test_a_linear_model_has_the_loss_of_the_closed_form_at_every_lambda() -> None:
    # DESIGN, section 4: the optimum on the training images, measured on others; sigma2 = 1, so t = lambda
    torch.manual_seed(0)
    directions = torch.linalg.qr(torch.randn(20, 3))[0] * torch.tensor([4.0, 2.0, 1.0])
    train, test = (torch.randn(n, 3) @ directions.T + 0.1 * torch.randn(n, 20) for n in (400, 300))
    e, u = torch.linalg.eigh(torch.cov(train.T.double(), correction=0))
    e, centred = e.flip(0)[:3], test.double() - train.double().mean(0)
    v = (centred @ u.flip(1)[:, :3]).square().mean(0)
    model = all_lambda_vae(hidden=(), shape=(1, 4, 5), likelihood="gaussian", is_new=True).train()
    optimizer, n_steps = torch.optim.Adam(model.parameters(), lr=0.01), 2000
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * step / n_steps))
        loss = model.losses({"image": train.view(-1, 1, 4, 5)})["loss"].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for weight in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        a = (1 - weight / e).clamp(min=0)
        error = centred.square().sum(1).mean() - ((2 - a) * a * v).sum() + (a * weight).sum()
        rates = weight / e + (e - weight) * v / e.square() - 1 + torch.log(e / weight)
        expected = error / 2 + weight * 0.5 * rates[e > weight].sum()
        single = model.at(weight)
        with torch.no_grad():
            outputs = single.outputs({"image": test.view(-1, 1, 4, 5)})
        kl = kl_to_standard_normal(outputs["mu"], outputs["log_var"]).sum(1).mean()
        columns = single.decoder[0].weight.detach().square().sum(0)
        noise = (outputs["log_var"].exp() * columns).sum(1).mean()  # of sampled codes, without sampling
        residual = (outputs["reconstruction"].flatten(1) - test).square().sum(1).mean()
        measured = ((residual + noise) / 2 + weight * kl).item()
        assert measured == pytest.approx(expected.item(), rel=0.01), f"lambda {weight}"
