"""A lambda that follows the rate: its recursion against one by hand, what it reaches, and what is kept of it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from small_vae import random_images, small_vae

from hwsweep.data import Splits
from hwsweep.models.kl_terms import Constant
from hwsweep.models.networks import fully_connected
from hwsweep.models.target_rate import TargetRate
from hwsweep.models.vae import VAE
from hwsweep.training import checkpoint
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.loop import fit
from hwsweep.training.plan import LAST, TrainingPlan
from hwsweep.training.schedules import ConstantLearningRate


def target(**changes: Any) -> TargetRate:
    return TargetRate(**({"rate": 2.0, "gain": 0.1, "factor": 1e4} | changes))


def of_rate(rate: float, spread: float = 0.5) -> torch.Tensor:
    """The KL of three latents of two images whose mean rate is `rate`."""
    return torch.tensor([[rate - spread, 0.0, 0.0], [0.0, rate, spread]], dtype=torch.float32)


def train(folder: Path, term: TargetRate, epochs: int = 4, resume: Path | None = None, stop: int = 99) -> list[Any]:
    """The epochs of a training of two steps each."""
    images = random_images()
    model = small_vae(kl_weight=3.0, kl_term=term)
    plan = TrainingPlan(epochs=epochs, batch_size=7, clip_norm=None, precision="float32", seed=0, select=LAST)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    rows: list[EpochMetrics] = []
    for row in fit(model, Splits(images, images, images), optimizer, ConstantLearningRate(), plan, folder, resume):
        rows.append({key: value for key, value in row.items() if not key.startswith("time/")})
        if len(rows) == stop:
            break
    return rows


def test_lambda_follows_the_mean_rate_of_each_batch() -> None:
    term = target()
    expected = 3.0
    for rate in (1.0, 2.0, 3.0, 90.0, 0.5):
        torch.testing.assert_close(term.weight(3.0), torch.tensor(expected))
        torch.testing.assert_close(term.penalty(of_rate(rate)), of_rate(rate).sum(1))
        expected *= math.exp(0.1 * min(rate / 2 - 1, 1))  # at most as for twice the rate


def test_lambda_stays_within_its_limits_and_leaves_them_at_once() -> None:
    term = target(gain=1.0, factor=8.0)
    for _ in range(9):
        term.penalty(of_rate(1e6))
    assert float(term.weight(3.0)) == pytest.approx(24) and term.settled().at_limit
    term.penalty(of_rate(1.0))
    assert float(term.weight(3.0)) == pytest.approx(24 * math.exp(-0.5)) and not term.settled().at_limit
    for _ in range(9):
        term.penalty(of_rate(0.0, 0.0))
    assert float(term.weight(3.0)) == pytest.approx(3 / 8) and term.settled().at_limit


def test_an_evaluation_changes_nothing_and_reports_the_lambda_of_its_loss() -> None:
    model = small_vae(kl_weight=3.0, kl_term=target(rate=0.01))
    losses = model.losses(random_images())
    assert losses["kl_weight"].tolist() == [3.0] * 13  # that of the step, before it changes
    after = model.kl_weight
    assert after > 3
    losses = model.eval().losses(random_images())
    torch.testing.assert_close(losses["loss"], losses["distortion"] + after * losses["rate"])
    assert losses["kl_weight"].tolist() == [after] * 13 and model.kl_weight == after


def test_a_model_with_a_given_lambda_reports_none() -> None:
    model = small_vae(kl_weight=3.0, kl_term=Constant())
    assert "kl_weight" not in model.losses(random_images()) and model.kl_weight == 3.0


def test_the_means_of_the_last_steps_are_those_of_numpy() -> None:
    term, rates = target(), np.random.default_rng(0).uniform(1, 3, 60)
    logs = []
    for rate in rates:
        logs.append(math.log(float(term.weight(1.0))))
        term.penalty(of_rate(rate))
    end = term.settled()
    assert end.n_steps == 60 and end.rate == pytest.approx(rates.mean(), rel=1e-5)
    assert end.change == pytest.approx(float(term.weight(1.0)) / math.exp(np.mean(logs)) - 1, abs=1e-5)
    for _ in range(700):  # exp(-7) = 0.1 % of the earlier ones is left
        term.penalty(of_rate(2.0))
    end = term.settled()
    assert (end.n_steps, end.rate) == (100, pytest.approx(2.0, rel=1e-3)) and abs(end.change) < 1e-2


@pytest.mark.parametrize("cut", [1, 3])
def test_a_training_that_was_cut_goes_on_to_the_same_bits(tmp_path: Path, cut: int) -> None:
    whole = train(tmp_path / "whole", target())
    train(tmp_path / "cut", target(), stop=cut)
    assert train(tmp_path / "cut", target(), resume=tmp_path / "cut" / "last.pt") == whole
    weights = [row["train/kl_weight"] for row in whole]
    assert len(set(weights)) == 4  # it moves


def test_the_model_of_a_training_is_that_of_its_last_epoch(tmp_path: Path) -> None:
    rows = train(tmp_path, target())
    best = checkpoint.load(tmp_path / "best.pt")
    assert best["epoch"] == 4
    model = small_vae(kl_weight=3.0, kl_term=target())
    model.load_state_dict(best["model"])
    assert model.kl_weight == pytest.approx(rows[-1]["valid/kl_weight"])


@pytest.mark.parametrize("first", [target(), Constant()], ids=["target", "constant"])
def test_a_run_that_begins_with_the_weights_of_another_begins_with_its_own_lambda(
    first: TargetRate | Constant, tmp_path: Path
) -> None:
    trained = small_vae(kl_weight=3.0, kl_term=first)
    trained.losses(random_images())
    (tmp_path / "checkpoints").mkdir()
    checkpoint.save(tmp_path / "checkpoints" / "best.pt", {"model": trained.state_dict(), "epoch": 1})
    model = small_vae(kl_weight=5.0, kl_term=target())
    with torch.no_grad():
        model.encoder[1].weight.zero_()
    checkpoint.load_weights(model, tmp_path / "checkpoints" / "best.pt")
    assert torch.equal(model.encoder[1].weight, trained.encoder[1].weight)
    assert model.kl_weight == 5.0 and isinstance(model.kl_term, TargetRate)
    assert model.kl_term.settled().n_steps == 0


def test_a_lambda_of_zero_cannot_follow_a_rate() -> None:
    with pytest.raises(ValueError, match=r"`vae.lambda` must be a finite number > 0, but got 0"):
        small_vae(kl_weight=0, kl_term=target())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0}, r"`kl.rate` must be a finite number > 0 \(nats per image\), but got 0"),
        ({"gain": 0}, r"`kl.gain` must be a number in \(0, 1\] .*, but got 0"),
        ({"gain": 2}, r"`kl.gain` must be a number in \(0, 1\] .*, but got 2"),
        ({"factor": 1}, r"`kl.factor` must be a finite number > 1, but got 1"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target(**change)


def optimal_linear_vae(points: np.ndarray, sigma2: float, kl_weight: float, term: TargetRate) -> tuple[VAE, np.ndarray]:
    """Probabilistic PCA as a VAE of 3 latents (Lucas et al. 2019), by NumPy, and the variances of its directions."""
    values, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
    e, u, noise = values[::-1][:3].copy(), vectors[:, ::-1][:, :3], sigma2 * kl_weight
    model = small_vae(
        networks=partial(fully_connected, hidden=[], activation="relu"),
        likelihood="gaussian",
        sigma2=sigma2,
        kl_weight=kl_weight,
        kl_term=term,
    )
    (encoder,), (decoder,) = (
        [layer for layer in network if isinstance(layer, torch.nn.Linear)] for network in (model.encoder, model.decoder)
    )
    weights = {
        decoder.weight: u * np.sqrt(e - noise),
        decoder.bias: np.zeros(35),
        encoder.weight: np.vstack([(u * np.sqrt(e - noise) / e).T, np.zeros((3, 35))]),
        encoder.bias: np.concatenate([np.zeros(3), 10 * np.arctanh(np.log(noise / e) / 10)]),
    }
    with torch.no_grad():
        for parameter, value in weights.items():
            parameter.copy_(torch.from_numpy(value))
    return model, e


@pytest.mark.parametrize("rate", [3.0, 5.0])
@pytest.mark.slow
def test_the_lambda_of_a_linear_gaussian_vae_is_that_of_its_closed_form(rate: float, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(35, 4)))[0] * [0.8, 0.4, 0.2, 0.05]
    points = random.normal(size=(1999, 4)) @ directions.T
    points -= points.mean(0)
    model, e = optimal_linear_vae(points, 0.01, 1.0, target(rate=rate, gain=0.02))
    data = {"image": torch.from_numpy(points).float().reshape(-1, 1, 5, 7)}
    plan = TrainingPlan(epochs=120, batch_size=128, clip_norm=None, precision="float32", seed=0, select=LAST)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    rows = list(fit(model, Splits(data, data, data), optimizer, ConstantLearningRate(), plan, tmp_path))
    # sum of 1/2 ln(e_i / (lambda sigma2)) over the active latents is the rate
    expected = brentq(lambda kl_weight: 0.5 * np.log(np.maximum(e / (0.01 * kl_weight), 1)).sum() - rate, 1e-3, 1e3)
    means = {key: float(np.mean([row[key] for row in rows[-20:]])) for key in ("train/rate", "train/kl_weight")}
    # 2 % for the noise of the steps, whose mean is taken over 20 epochs
    assert means == pytest.approx({"train/rate": rate, "train/kl_weight": expected}, rel=0.02)
