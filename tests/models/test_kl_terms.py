"""Remedies against posterior collapse against their formulas, worked by hand or by SciPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from scipy.special import lambertw
from small_vae import random_images, small_vae
from torch.distributions import Normal, kl_divergence

from hwsweep.data import Splits
from hwsweep.models import Progress
from hwsweep.models.committed_rate import Delta, committed_log_variances
from hwsweep.models.kl.lambda_path import LambdaPath
from hwsweep.models.kl_terms import Capacity, Constant, CyclicalAnnealing, FreeBits, KLTerm, LinearAnnealing
from hwsweep.models.vae import VAE
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import ConstantLearningRate

CONF = Path(__file__).resolve().parents[2] / "conf" / "kl"
KL = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 0.0]])  # two images, three latents
RATE = torch.tensor([2.1, 4.3])


def settings_of(path: Path) -> dict[str, Any]:
    """The section `kl` of a file of the group, which may have other keys beside it; a path has two stops, 4 epochs."""
    conf = yaml.safe_load(path.read_text())
    short = {"weights": [0.5, 30], "epochs_each": 2, "epochs": 4, "active_threshold": 0.01}
    settings: dict[str, Any] = conf.get("kl", conf)
    return settings | (short if path.stem == "path" else {})


def vae(kl_term: KLTerm, **changes: Any) -> VAE:
    kl_weight = 1.0 if isinstance(kl_term, LambdaPath) else 30.0  # a path has weights of its own
    return small_vae(**({"kl_weight": kl_weight, "kl_term": kl_term} | changes))


def at(term: KLTerm, share: float) -> KLTerm:
    """The term when so much of the training is done, as the training loop would have told it."""
    for module in term.modules():
        if isinstance(module, Progress):
            module.share.fill_(share)
    return term


def factors(term: KLTerm, n_steps: int) -> list[float]:
    """What the rate is multiplied with, step by step of a training of so many steps."""
    return [float(at(term, step / n_steps).penalty(KL)[0] / RATE[0]) for step in range(n_steps)]


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
    assert factors(LinearAnnealing(warmup=0.5), 8) == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert factors(LinearAnnealing(warmup=1), 4) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_cyclical_annealing_starts_again_each_cycle_and_ends_at_one() -> None:
    term = CyclicalAnnealing(cycles=2, ramp=0.5)
    assert factors(term, 8) == pytest.approx([0, 0.5, 1, 1, 0, 0.5, 1, 1])


def test_a_sawtooth_has_no_plateau() -> None:
    assert factors(CyclicalAnnealing(cycles=2, ramp=1), 8) == pytest.approx([0, 0.25, 0.5, 0.75] * 2)


@pytest.mark.parametrize(
    "term",
    [LinearAnnealing(warmup=0.3), CyclicalAnnealing(cycles=1, ramp=0.3)],
    ids=["linear", "cyclical"],
)
def test_annealing_at_its_end_and_in_evaluation_is_the_constant_weight_to_the_last_bit(term: KLTerm) -> None:
    expected = Constant().penalty(KL)
    assert torch.equal(term.eval().penalty(KL), expected)
    for share in (0.3, 0.7, 0.999):
        assert torch.equal(at(term.train(), share).penalty(KL), expected)


@pytest.mark.parametrize(
    ("term", "share", "clause"),
    [
        (LinearAnnealing(warmup=0.5), 0.3, "the weight of the rate reached 60 % of lambda"),
        (LinearAnnealing(warmup=0.5), 0.4999, "the weight of the rate reached 99 % of lambda"),
        (LinearAnnealing(warmup=0.5), 0.0, "the weight of the rate reached 0 % of lambda"),
        (LinearAnnealing(warmup=0.3), 0.3, ""),
        (LinearAnnealing(warmup=1), 1.0, ""),
        (CyclicalAnnealing(cycles=4, ramp=0.5), 0.3, "the weight of the rate reached 40 % of lambda in cycle 2 of 4"),
        (CyclicalAnnealing(cycles=4, ramp=1), 0.24, "the weight of the rate reached 96 % of lambda in cycle 1 of 4"),
        (CyclicalAnnealing(cycles=4, ramp=0.5), 0.4, ""),  # at full weight
        (CyclicalAnnealing(cycles=5, ramp=1), 0.6, ""),  # at the end of the third cycle
        (CyclicalAnnealing(cycles=3, ramp=1), 1 / 3, ""),
        (CyclicalAnnealing(cycles=3, ramp=1), 1.0, ""),
        (CyclicalAnnealing(cycles=3, ramp=0.5), 0.0, "the weight of the rate reached 0 % of lambda in cycle 1 of 3"),
        (Capacity(capacity=10, warmup=0.5), 0.25, "the capacity reached 5 of 10 nats"),
        (Capacity(capacity=10, warmup=0.3), 0.1, "the capacity reached 3.33 of 10 nats"),
        (Capacity(capacity=10, warmup=0.5), 0.5, ""),
        (Capacity(capacity=0, warmup=0.5), 0.1, ""),
        (Constant(), 0.1, ""),
        (FreeBits(free_nats=0.5), 0.1, ""),
        (Delta(delta=0.5), 0.1, ""),
    ],
)
def test_a_schedule_says_what_it_had_reached_unless_that_is_its_end(term: KLTerm, share: float, clause: str) -> None:
    assert at(term, share).unfinished() == clause


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
    term = Capacity(capacity=3.0, warmup=0.5)
    expected = {0.0: [2.1, 4.3], 0.25: [0.6, 2.8], 0.5: [0.9, 1.3], 0.75: [0.9, 1.3]}  # capacities 0, 1.5, 3, 3
    for share, penalty in expected.items():
        torch.testing.assert_close(at(term, share).penalty(KL), torch.tensor(penalty))
    assert float(cast(Capacity, at(term, 0.25)).reached()) == pytest.approx(1.5)


def test_in_evaluation_the_capacity_is_the_last_one() -> None:
    torch.testing.assert_close(Capacity(capacity=3.0, warmup=1).eval().penalty(KL), torch.tensor([0.9, 1.3]))


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
    model = vae(instantiate(settings_of(path)))
    outputs = model.outputs(random_images())
    posterior = Normal(outputs["mu"], torch.exp(outputs["log_var"] / 2))
    rate = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    for losses in (model.losses(random_images()), model.eval().losses(random_images())):
        torch.testing.assert_close(losses["rate"], rate)
        torch.testing.assert_close(losses["neg_elbo"], losses["distortion"] + rate)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_resumed_training_goes_on_with_the_schedule_to_the_same_bits(path: Path, tmp_path: Path) -> None:
    conf = settings_of(path)
    whole = losses_of_epochs(fitted(instantiate(conf), tmp_path / "whole", 4))
    losses_of_epochs(fitted(instantiate(conf), tmp_path / "cut", 4), stop=1)
    again = losses_of_epochs(fitted(instantiate(conf), tmp_path / "cut", 4, tmp_path / "cut" / "last.pt"))
    assert again == whole


def fitted(term: KLTerm, folder: Path, epochs: int, resume: Path | None = None) -> Iterator[EpochMetrics]:
    """A training of two steps an epoch, with whatever the checkpoint gives."""
    model, images = vae(term), random_images()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    plan = TrainingPlan(
        epochs=epochs, batch_size=7, clip_norm=None, precision="float32", seed=0, select="valid/distortion"
    )
    return fit(model, Splits(images, images, images), optimizer, ConstantLearningRate(), plan, folder, resume)


def losses_of_epochs(epochs: Iterator[EpochMetrics], stop: int = 99) -> list[float]:
    return [metrics["train/loss"] for metrics in islice(epochs, stop)]


def test_the_loop_moves_a_schedule_in_shares_of_all_steps(tmp_path: Path) -> None:
    class Recorded(Constant):
        def __init__(self) -> None:
            super().__init__()
            self.progress = Progress()
            self.shares: list[float] = []

        def penalty(self, kl: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.shares.append(float(self.progress.share))
            return kl.sum(1)

    term = Recorded()
    assert [float(term.progress.share) for _ in fitted(term, tmp_path, 4)] == [0.25, 0.5, 0.75, 1.0]
    assert term.shares == [step / 8 for step in range(8)]


@pytest.mark.parametrize(
    ("first", "stop", "then", "warning"),
    [
        (4, 2, 4, ""),
        (4, 4, 4, ""),
        (4, 4, 2, ""),  # the schedule was at its end
        (4, 4, 8, "the checkpoint has 4 epochs, and a schedule at 100 %: with epochs=8 it goes on at 50 %"),
        (8, 2, 4, "the checkpoint has 2 epochs, and a schedule at 25 %: with epochs=4 it goes on at 50 %"),
        (8, 2, 1, "the checkpoint has 2 epochs, and a schedule at 25 %: it stays there, because epochs=1 leaves no"),
    ],
)
def test_a_resumed_training_of_another_length_warns_that_the_schedule_changes(
    first: int, stop: int, then: int, warning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    losses_of_epochs(fitted(LinearAnnealing(warmup=0.9), tmp_path, first), stop)
    term = LinearAnnealing(warmup=0.9)
    losses_of_epochs(fitted(term, tmp_path, then, tmp_path / "last.pt"))
    assert caplog.text.count("schedule") == bool(warning)
    assert warning in caplog.text
    assert (term.unfinished() == "") == (then > 1)


def test_a_longer_training_after_a_resumption_has_the_schedule_of_the_longer_one(tmp_path: Path) -> None:
    term = LinearAnnealing(warmup=1)
    losses_of_epochs(fitted(LinearAnnealing(warmup=1), tmp_path, 4))
    epochs = fitted(term, tmp_path, 8, tmp_path / "last.pt")
    shares = [float(term.progress.share) for _ in epochs]
    assert shares[3:] == [1.0, 0.625, 0.75, 0.875, 1.0]  # the first is the checkpoint's own


@pytest.mark.parametrize(
    ("term", "settings", "message"),
    [
        (
            LinearAnnealing,
            {"warmup": 0},
            r"`kl.warmup` must be a number in \(0, 1\] \(share of the training\), but got 0",
        ),
        (LinearAnnealing, {"warmup": 400}, r"`kl.warmup` must be a number in \(0, 1\] .*, but got 400"),
        (CyclicalAnnealing, {"cycles": 0, "ramp": 0.5}, r"`kl.cycles` must be a whole"),
        (CyclicalAnnealing, {"cycles": 1, "ramp": 0}, r"`kl.ramp` must be a number in \(0, 1\] .*, but got 0"),
        (FreeBits, {"free_nats": -1.0}, r"`kl.free_nats` must be a finite number >= 0, but got -1.0"),
        (
            Capacity,
            {"capacity": math.nan, "warmup": 1},
            r"`kl.capacity` must be a finite number >= 0, but got nan",
        ),
        (
            Capacity,
            {"capacity": 1.0, "warmup": -1},
            r"`kl.warmup` must be a number in \(0, 1\] .*, but got -1",
        ),
        (
            Delta,
            {"delta": 0.0},
            r"`kl.delta` must be a number in \(0, 100\] .*; `kl=constant` commits no rate.*, but got 0.0",
        ),
        (Delta, {"delta": math.inf}, r"`kl.delta` must be a number in \(0, 100\] .*, but got inf"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(term: type[KLTerm], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        term(**settings)
