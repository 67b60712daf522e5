"""Runs on another device than the CPU: no tensor is left behind, on a device that computes as the CPU does."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import pytest
import torch
from another_device import NAME, AnotherDevice
from small_vae import random_images, small_vae
from test_run import composed

from hwsweep import components, conf_path
from hwsweep.data import Splits
from hwsweep.figures import drawing
from hwsweep.models.pixel_context import pixel_context
from hwsweep.run import run
from hwsweep.training.checkpoint import load
from hwsweep.training.loop import TrainingPlan, fit
from hwsweep.training.schedules import ConstantLearningRate

MODELS = sorted(path.stem for path in (conf_path() / "model").glob("*.yaml"))
SHORT = {
    "transformer": [
        "analysis.attributions.n_texts=3",
        "analysis.attributions.aopc_texts=1",
        "analysis.attributions.exact_words=2",
        "analysis.attributions.steps=2",
        "figures.attributions.n_texts=1",
        "analysis.heads.n_texts=9",
    ],
    "vae_all_lambda": ["analysis.stops.number=3"],
    "vae_autoregressive": ["vae.context=0"],  # below: small images, because each pixel is drawn alone
    "vae_conv": ["vae.channels=[2,3]"],
}
"""Less of what takes long on this device."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_whole_run_of_every_model_works_on_another_device(
    name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "device_named", lambda _: torch.device(NAME))
    monkeypatch.setattr(drawing, "save", lambda module, info, path: path.touch())  # it sees arrays of NumPy alone
    with AnotherDevice():
        run(composed(workplace / "run", f"model={name}", "epochs=1", *SHORT.get(name, [])))
    metrics = json.loads((workplace / "run" / "result.json").read_text())["metrics"]
    assert math.isfinite(metrics["test/loss"])


def test_a_decoder_that_sees_pixels_measures_and_draws_images_on_another_device() -> None:
    vae = small_vae(
        pixel_context=functools.partial(pixel_context, radius=1, features=5, binarise="static", likelihood="bernoulli")
    )
    with AnotherDevice():
        vae.to(NAME)
        losses = vae.losses({"image": random_images()["image"].to(NAME)})
        losses["loss"].mean().backward()
        drawn = vae.decode(torch.zeros(2, 3, device=NAME), vae.draw_noise(2, torch.Generator()))
        assert drawn.device.type == NAME and losses["rate"].device.type == NAME
        with pytest.raises(RuntimeError, match="two devices"):
            vae.losses(random_images())


@pytest.mark.parametrize(("first", "second"), [(NAME, "cpu"), ("cpu", NAME)])
def test_a_training_goes_on_on_another_device_and_says_that_its_noise_is_another(
    first: str, second: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def trained(
        device: str, folder: str, epochs: int, resume: Path | None = None, **of_the_device: bool
    ) -> list[float]:
        model = small_vae().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, **of_the_device)
        plan = TrainingPlan(
            epochs=epochs, batch_size=5, clip_norm=None, precision="float32", seed=0, select="valid/loss"
        )
        parts = (model, Splits(*[random_images()] * 3), optimizer, ConstantLearningRate(), plan)
        return [metrics["valid/loss"] for metrics in fit(*parts, tmp_path / folder, resume)]

    with AnotherDevice():
        whole = trained("cpu", "whole", 3)
        assert not caplog.records
        trained(first, "first", 1, capturable=first != "cpu", foreach=False)
        stored = load(tmp_path / "first" / "last.pt")["optimizer"]["param_groups"][0]
        assert stored["capturable"] == (first != "cpu")
        # this device draws its noise on the CPU, so that the numbers are those of one training
        resumed = trained(second, "second", 3, tmp_path / "first" / "last.pt", foreach=False)
    assert resumed == pytest.approx(whole, rel=1e-5)
    assert f"is of a training on device={first}, and this one goes on with device={second}: its noise" in caplog.text
