"""The figures of a planted model for every lambda, against its VAEs and the closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_all_lambda import LATENT, PlantedModel, eigen, planted_run, planted_splits

from hwsweep.figures import Trained, drawing
from hwsweep.figures.lambda_curve import lambda_active_units, lambda_images, lambda_rate_distortion

WEIGHTS = [10 ** (-3 + 3 * stop / 8) for stop in range(9)]


@pytest.fixture(scope="module")
def run() -> Trained:
    return planted_run()


def test_the_plane_has_a_point_per_stop_and_the_closed_form_beside_the_named_ones(run: Trained) -> None:
    info = lambda_rate_distortion.info(run, n_named=3)
    assert info.titles.tolist() == ["lambda = 0.001", "", "", "", "lambda = 0.0316", "", "", "", "lambda = 1"]
    assert info.measured[:, 0].tolist() == run.arrays["stop_test_rate"].tolist()
    assert info.measured[:, 1].tolist() == run.arrays["stop_test_distortion"].tolist()
    e = eigen(planted_splits())[1]
    for stop, weight in enumerate(WEIGHTS):
        rate = 0.5 * np.log(np.maximum(e[:LATENT] / (0.5 * weight), 1)).sum()
        error = np.minimum(e[:LATENT], 0.5 * weight).sum() + e[LATENT:].sum()
        if stop in (0, 4, 8):
            assert info.predicted[stop] == pytest.approx(
                [rate, error / (2 * 0.5)], rel=1e-5
            )  # the spectrum is of float32 pixels
        else:
            assert np.isnan(info.predicted[stop]).all()
    assert info.exact.tolist() == [True] and len(info.curves) == 1


def test_active_units_and_rate_stand_beside_the_linear_optimum(run: Trained) -> None:
    info = lambda_active_units.info(run)
    assert info.kl_weight == pytest.approx(WEIGHTS)
    e = eigen(planted_splits())[1][:LATENT]
    assert info.linear_active_units.tolist() == [float((e > 0.5 * weight).sum()) for weight in WEIGHTS]
    assert info.linear_rate[0] == pytest.approx(0.5 * np.log(e / 0.0005).sum(), rel=1e-6)
    assert (info.latents, info.exact) == (LATENT, True)
    assert (info.verdicts[0], info.verdicts[-1]) == ("healthy", "collapsed")
    assert info.active_units[[0, -1]].tolist() == [3, 0] and info.rate[-1] == 0


def test_the_images_of_each_stop_are_those_of_its_own_vae(run: Trained) -> None:
    info = lambda_images.info(run, n_images=5, n_samples=4, n_pairs=2, n_steps=3, columns=3, seed=7)
    assert np.array_equal(info.real, run.test["image"][:5].permute(0, 2, 3, 1).numpy())
    assert isinstance(run.model, PlantedModel)
    z = torch.randn(4, LATENT, generator=torch.Generator().manual_seed(7))
    for stop, weight in enumerate(WEIGHTS):
        single = run.model.at(weight)
        with torch.no_grad():
            reconstructed = single.outputs({"image": run.test["image"][:5]})["reconstruction"]
            sampled = single.decode(z)
        for shown, images in ((info.reconstructed[stop], reconstructed), (info.samples[stop], sampled)):
            expected = images.clamp(0, 1).mul(255).permute(0, 2, 3, 1).numpy()
            assert np.abs(shown - expected).max() <= 0.6  # of 255: rounding
    assert np.abs(info.steps[:, :, 0].astype(int) - info.reconstructed[:, [0, 2]].astype(int)).max() <= 1
    assert len(info.real) == 5 and math.isclose(info.rate[0], run.arrays["stop_test_rate"][0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "settings"),
    [
        (lambda_active_units, {}),
        (lambda_images, {"n_images": 24, "n_samples": 24, "n_pairs": 2, "n_steps": 12, "columns": 4, "seed": 0}),
        (lambda_rate_distortion, {"n_named": 4}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_stored_is_drawn_again(run: Trained, figure: object, settings: dict[str, int], tmp_path: Path) -> None:
    info = figure.info(run, **settings)  # type: ignore[attr-defined]
    drawing.store(info, tmp_path / "stored.npz")
    drawing.save(figure, info, tmp_path / "first.png")  # type: ignore[arg-type]
    drawing.save(figure, drawing.load(type(info), tmp_path / "stored.npz"), tmp_path / "again.png")  # type: ignore[arg-type]
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_figure_of_two_stops_and_one_test_image_is_drawn(tmp_path: Path) -> None:
    run = planted_run(2)
    one = run._replace(arrays={**run.arrays, "stop_test_active_units": np.full(2, np.nan)})
    drawing.save(lambda_active_units, lambda_active_units.info(one), tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 0
