"""A lambda that walks through a list: which one when, what is measured, what restarts, and what is refused."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_vae import random_images, small_vae

from hwsweep.data import Splits
from hwsweep.models.kl.lambda_path import LambdaPath
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE
from hwsweep.training import checkpoint
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.loop import fit
from hwsweep.training.plan import LAST, TrainingPlan
from hwsweep.training.schedules import ConstantLearningRate

WEIGHTS = [0.5, 7.0, 3.0]


def path(**changes: Any) -> LambdaPath:
    settings = {"weights": WEIGHTS, "epochs_each": 2, "restart": False, "epochs": 6, "active_threshold": 0.01}
    return LambdaPath(**(settings | changes))


def train(folder: Path, term: LambdaPath, resume: Path | None = None, stop: int = 99) -> tuple[VAE, list[EpochMetrics]]:
    """The model, and its epochs of two steps each."""
    images, valid = random_images(), random_images(29)
    model = small_vae(kl_term=term)
    epochs = 2 * len(term.weights)
    plan = TrainingPlan(epochs=epochs, batch_size=7, clip_norm=None, precision="float32", seed=0, select=LAST)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    rows: list[EpochMetrics] = []
    for row in fit(model, Splits(images, valid, images), optimizer, ConstantLearningRate(), plan, folder, resume):
        rows.append({key: value for key, value in row.items() if not key.startswith("time/")})
        if len(rows) == stop:
            break
    return model, rows


def test_an_epoch_and_its_evaluation_have_the_lambda_of_their_stop(tmp_path: Path) -> None:
    model, rows = train(tmp_path, path())
    for part in ("train", "valid"):
        assert [row[f"{part}/kl_weight"] for row in rows] == [0.5, 0.5, 7, 7, 3, 3]
    for row in rows:
        expected = row["valid/distortion"] + row["valid/kl_weight"] * row["valid/rate"]
        assert row["valid/loss"] == pytest.approx(expected)
    assert model.eval().kl_weight == 3  # the last one
    best = checkpoint.load(tmp_path / "best.pt")
    assert best["epoch"] == 6


def test_many_stops_of_many_steps_do_not_round_into_their_neighbours() -> None:
    term = path(weights=list(range(1, 1001)), epochs_each=1, epochs=1000)
    steps = 110
    for stop in (0, 1, 332, 333, 665, 998, 999):
        for step in (0, 1, steps - 1):
            term.progress.share.fill_((stop * steps + step) / (1000 * steps))
            assert float(term.train().weight(1.0)) == stop + 1
        term.progress.share.fill_((stop + 1) / 1000)
        assert float(term.eval().weight(1.0)) == stop + 1


def test_each_stop_keeps_what_the_model_was_like_at_its_end(tmp_path: Path) -> None:
    model, rows = train(tmp_path, path(), stop=4)
    kept = model.kl_term.measurements.rows  # type: ignore[union-attr]
    with torch.no_grad():
        mu = model.outputs(random_images(29))["mu"].numpy()
    active = (np.var(mu.astype(np.float64), axis=0, ddof=1) > 0.01).sum()
    expected = [[row["valid/rate"], row["valid/distortion"]] for row in (rows[1], rows[3])]
    assert kept[:2, :2].numpy() == pytest.approx(np.array(expected), rel=1e-6)
    assert float(kept[1, 2]) == active and bool(kept[2].isnan().all())
    stored = checkpoint.load(tmp_path / "best.pt")["model"]["kl_term.measurements.rows"]
    assert torch.equal(stored[:2], kept[:2])


@pytest.mark.parametrize(("cut", "restart"), [(1, False), (2, True), (3, True)])
def test_a_path_that_was_cut_goes_on_to_the_same_bits(tmp_path: Path, cut: int, restart: bool) -> None:
    whole, rows = train(tmp_path / "whole", path(restart=restart))
    train(tmp_path / "cut", path(restart=restart), stop=cut)
    again, resumed = train(tmp_path / "cut", path(restart=restart), resume=tmp_path / "cut" / "last.pt")
    assert resumed == rows
    for name, values in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], values), name


def test_a_restart_is_a_new_optimizer_at_each_stop(tmp_path: Path) -> None:
    kept, rows = train(tmp_path / "kept", path(weights=[1, 1, 1]))
    restarted, others = train(tmp_path / "restarted", path(weights=[1, 1, 1], restart=True))
    assert rows[:2] == others[:2]
    assert rows[2]["train/loss"] != others[2]["train/loss"]
    for model, steps in ((kept, 12), (restarted, 4)):
        folder = tmp_path / ("kept" if model is kept else "restarted")
        states = checkpoint.load(folder / "last.pt")["optimizer"]["state"].values()
        assert {float(state["step"]) for state in states} == {steps}


def test_a_run_of_one_image_to_validate_has_no_active_units() -> None:
    term = path()
    model = small_vae(kl_term=term)
    term.measurements.measure(0, model, random_images(1), {"valid/rate": 1.0, "valid/distortion": 2.0})
    assert term.measurements.rows[0, :2].tolist() == [1, 2] and math.isnan(term.measurements.rows[0, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, r"`kl.weights` must be a list of 1 to 1000 lambdas, but got \[\]"),
        ({"weights": [1, -2, 3]}, r"`kl.weights` must be a finite number > 0 \(lambda at each stop\), but got -2"),
        ({"weights": [1, 0]}, r"`kl.weights` must be a finite number > 0 .*, but got 0"),
        ({"weights": [math.inf]}, r"`kl.weights` must be a finite number > 0 .*, but got inf"),
        ({"weights": [math.nan]}, r"`kl.weights` must be a finite number > 0 .*, but got nan"),
        ({"epochs_each": 0}, r"`kl.epochs_each` must be a whole number, at least 1, but got 0"),
        ({"epochs": 10}, r"`epochs` must be 6 for the 3 stops of kl.epochs_each=2, but got 10"),
        ({"epochs": 10, "weights": [1]}, r"`epochs` must be 2 for the 1 stop of kl.epochs_each=2, but got 10"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        path(**change)


def test_the_weights_are_lambda_itself() -> None:
    with pytest.raises(ValueError, match=r"`vae.lambda` .*with kl=path, kl.weights are lambda.*, but got 2"):
        small_vae(kl_weight=2.0, kl_term=path())


@pytest.mark.slow
def test_the_latents_of_a_linear_gaussian_vae_vanish_and_come_back_where_its_closed_form_says(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    variances = np.array([0.64, 0.16, 0.0025, 0.001])
    weights = [4.0, 10.0, 100.0, 10.0, 4.0]
    directions = np.linalg.qr(random.normal(size=(35, 4)))[0] * np.sqrt(variances)
    points = random.normal(size=(1999, 4)) @ directions.T
    points -= points.mean(0)
    e = np.linalg.eigvalsh(np.cov(points.T, bias=True))[::-1]
    data = {"image": torch.from_numpy(points).float().reshape(-1, 1, 5, 7)}
    often = {"image": data["image"].repeat(8, 1, 1, 1)}  # an evaluation costs as much as some steps
    epochs_each = 12
    term = path(weights=weights, epochs_each=epochs_each, epochs=epochs_each * len(weights))
    model = small_vae(
        networks=partial(fully_connected, hidden=[], activation="relu"),
        latent=2,
        likelihood="gaussian",
        sigma2=0.01,
        kl_term=term,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    plan = TrainingPlan(
        epochs=epochs_each * len(weights), batch_size=512, clip_norm=None, precision="float32", seed=0, select=LAST
    )
    list(fit(model, Splits(often, data, data), optimizer, ConstantLearningRate(), plan, tmp_path))
    # Lucas et al. 2019: 2 latents, noise t = lambda sigma2
    t = 0.01 * np.array(weights)[:, None]
    measured = term.measurements.rows.numpy()
    assert measured[:, 2].tolist() == (e[:2] > t).sum(1).tolist()
