"""Remedies against posterior collapse against their formulas, worked by hand or by SciPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from scipy.special import lambertw
from small_vae import random_images, small_vae
from torch.distributions import Normal, kl_divergence

from hwsweep.models.committed_rate import Delta, committed_log_variances
from hwsweep.models.kl_terms import Capacity, Constant, CyclicalAnnealing, FreeBits, KLTerm, LinearAnnealing
from hwsweep.models.vae import VAE

CONF = Path(__file__).resolve().parents[2] / "conf" / "kl"
KL = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 0.0]])  # two images, three latents
RATE = torch.tensor([2.1, 4.3])


def vae(kl_term: KLTerm, **changes: Any) -> VAE:
    return small_vae(**({"kl_weight": 30.0, "kl_term": kl_term} | changes))


def factors(term: KLTerm, n_steps: int) -> list[float]:
    """What the rate is multiplied with, step by step of a training."""
    return [float(term.penalty(KL)[0] / RATE[0]) for _ in range(n_steps)]


def train(model: VAE, n_steps: int, optimizer: torch.optim.Optimizer | None = None) -> list[torch.Tensor]:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(n_steps):
        loss = model.losses(random_images())["loss"].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def test_linear_annealing_grows_evenly_to_one_and_stays() -> None:
    assert factors(LinearAnnealing(warmup_steps=4), 7) == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1])


def test_cyclical_annealing_starts_again_each_cycle_and_ends_at_one() -> None:
    term = CyclicalAnnealing(cycle_steps=4, cycles=2, ramp=0.5)
    assert factors(term, 11) == pytest.approx([0, 0.5, 1, 1, 0, 0.5, 1, 1, 1, 1, 1])


def test_a_sawtooth_has_no_plateau() -> None:
    assert factors(CyclicalAnnealing(cycle_steps=4, cycles=2, ramp=1.0), 6) == pytest.approx(
        [0, 0.25, 0.5, 0.75, 0, 0.25]
    )


@pytest.mark.parametrize(
    "term",
    [LinearAnnealing(warmup_steps=3), CyclicalAnnealing(cycle_steps=3, cycles=1, ramp=0.5)],
    ids=["linear", "cyclical"],
)
def test_annealing_at_its_end_and_in_evaluation_is_the_constant_weight_to_the_last_bit(term: KLTerm) -> None:
    expected = Constant().penalty(KL)
    assert torch.equal(term.eval().penalty(KL), expected)
    factors(term.train(), 3)
    assert torch.equal(term.penalty(KL), expected)


def test_evaluating_does_not_move_a_schedule() -> None:
    term = LinearAnnealing(warmup_steps=4)
    factors(term, 1)
    term.eval().penalty(KL)
    assert factors(term.train(), 1) == pytest.approx([0.25])


def test_free_bits_replaces_the_kl_of_a_latent_whose_mean_is_below_the_threshold() -> None:
    # means 0.2, 3, 0 against 0.25: the first and the last latent cost 0.25 for each image
    torch.testing.assert_close(FreeBits(free_nats=0.25).penalty(KL), torch.tensor([2.5, 4.5]))


def test_free_bits_lets_no_gradient_through_below_the_threshold_and_all_above() -> None:
    kl = KL.clone().requires_grad_()
    FreeBits(free_nats=0.25).penalty(kl).sum().backward()
    assert torch.equal(kl.grad, torch.tensor([[0.0, 1.0, 0.0]] * 2))


def test_free_bits_without_free_nats_is_the_constant_weight() -> None:
    assert torch.equal(FreeBits(free_nats=0.0).penalty(KL), RATE)
    assert train(vae(FreeBits(free_nats=0.0)), 3) == train(vae(Constant()), 3)


def test_capacity_is_the_distance_of_each_images_rate_from_what_has_grown_so_far() -> None:
    term = Capacity(capacity=3.0, warmup_steps=2)
    expected = [[2.1, 4.3], [0.6, 2.8], [0.9, 1.3], [0.9, 1.3]]  # capacities 0, 1.5, 3, 3
    for penalty in expected:
        torch.testing.assert_close(term.penalty(KL), torch.tensor(penalty))


def test_in_evaluation_the_capacity_is_the_last_one() -> None:
    torch.testing.assert_close(Capacity(capacity=3.0, warmup_steps=50).eval().penalty(KL), torch.tensor([0.9, 1.3]))


@pytest.mark.parametrize("delta", [1e-4, 0.1, 0.5, 3.0, 10.0])
def test_the_range_of_sigma_ends_where_lambert_w_says(delta: float) -> None:
    # s = sigma^2 solves ln s - s = -(2 delta + 1), so -s e^(-s) = -exp(-(2 delta + 1))
    argument = -math.exp(-(2 * delta + 1))
    expected = [math.log(-float(lambertw(argument, branch).real)) for branch in (0, -1)]
    np.testing.assert_allclose(committed_log_variances(delta), expected, rtol=1e-6)


@pytest.mark.parametrize("delta", [0.01, 0.5, 3.0])
def test_every_posterior_commits_delta_whatever_the_encoder_says(delta: float) -> None:
    generator = torch.Generator().manual_seed(2)
    said = 5 * torch.randn(2, 997, 3, generator=generator)
    said[:, 0] = torch.tensor([-1e4, 0.0, 1e4])  # as far as a sigmoid goes
    said.requires_grad_()
    mu, log_var = Delta(delta=delta).posterior(*said)
    kl = kl_divergence(Normal(mu, torch.exp(log_var / 2)), Normal(0.0, 1.0))
    # single precision: a rounding error of 1e-6 relative to terms of the size of delta + 1
    assert kl.min() >= delta - 1e-6 * (1 + delta)
    assert kl.min() < 1.01 * delta  # and no more than it must
    assert kl.max() > 10 * delta  # the encoder may say more
    kl.sum().backward()
    assert torch.isfinite(said.grad).all()


def test_a_delta_vae_reports_at_least_its_committed_rate() -> None:
    losses = vae(Delta(delta=0.7)).losses(random_images())
    assert losses["rate"].min() >= 3 * 0.7 - 1e-5
    torch.testing.assert_close(losses["loss"], losses["distortion"] + 30 * losses["rate"])


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_with_every_remedy_in_conf_rate_and_neg_elbo_are_the_true_ones(path: Path) -> None:
    model = vae(instantiate(yaml.safe_load(path.read_text())))
    outputs = model.outputs(random_images())
    posterior = Normal(outputs["mu"], torch.exp(outputs["log_var"] / 2))
    rate = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    for losses in (model.losses(random_images()), model.eval().losses(random_images())):
        torch.testing.assert_close(losses["rate"], rate)
        torch.testing.assert_close(losses["neg_elbo"], losses["distortion"] + rate)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_resumed_training_goes_on_with_the_schedule_to_the_same_bits(path: Path) -> None:
    conf = yaml.safe_load(path.read_text())
    whole = vae(instantiate(conf))
    train(whole, 5)
    half = {name: values.clone() for name, values in whole.state_dict().items()}
    noise = torch.get_rng_state()
    expected = train(whole, 5)
    rest = vae(instantiate(conf))
    rest.load_state_dict(half)
    torch.set_rng_state(noise)
    assert train(rest, 5) == expected


@pytest.mark.parametrize(
    ("term", "settings", "message"),
    [
        (LinearAnnealing, {"warmup_steps": 0}, r"`kl.warmup_steps` must be a whole number, at least 1, but got 0"),
        (CyclicalAnnealing, {"cycle_steps": 0, "cycles": 1, "ramp": 0.5}, r"`kl.cycle_steps` must be a whole"),
        (CyclicalAnnealing, {"cycle_steps": 9, "cycles": 0, "ramp": 0.5}, r"`kl.cycles` must be a whole"),
        (
            CyclicalAnnealing,
            {"cycle_steps": 9, "cycles": 1, "ramp": 0},
            r"`kl.ramp` must be a number in \(0, 1\], but got 0",
        ),
        (FreeBits, {"free_nats": -1.0}, r"`kl.free_nats` must be a finite number >= 0, but got -1.0"),
        (
            Capacity,
            {"capacity": math.nan, "warmup_steps": 1},
            r"`kl.capacity` must be a finite number >= 0, but got nan",
        ),
        (
            Capacity,
            {"capacity": 1.0, "warmup_steps": -1},
            r"`kl.warmup_steps` must be a whole number, at least 1, but got -1",
        ),
        (
            Delta,
            {"delta": 0.0},
            r"`kl.delta` must be a finite number > 0 .*; `kl=constant` commits no rate.*, but got 0.0",
        ),
        (Delta, {"delta": math.inf}, r"`kl.delta` must be a finite number > 0 .*, but got inf"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(term: type[KLTerm], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        term(**settings)
