"""Runs on another device than the CPU: no tensor is left behind, on a device that computes as the CPU does."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from another_device import NAME, AnotherDevice, capture
from small_vae import random_images, small_vae
from test_run import composed

from hwsweep import components, conf_path
from hwsweep.components.sections import device_named
from hwsweep.data import Splits
from hwsweep.figures import drawing
from hwsweep.models.pixel_context import pixel_context
from hwsweep.run import run
from hwsweep.training import loop
from hwsweep.training.captured import CapturedSteps, Step
from hwsweep.training.checkpoint import load
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
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


class Refusing:
    """A recorder that does what is captured on a device that refuses what a capture refuses, as its replays do."""

    n_replays = 0

    def prepare(self, step: Step) -> dict[str, torch.Tensor]:
        return step()

    def capture(self, step: Step, noise: Sequence[torch.Generator]) -> Step:
        def replay() -> dict[str, torch.Tensor]:
            self.n_replays += 1
            with capture():
                return step()

        return replay


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        *([f"model={name}"] for name in MODELS if name != "transformer"),
        ["kl=target", "vae.likelihood=gaussian", "vae.sigma2=learned", "optimizer=sgd"],
        ["kl=linear", "dataset.binarise=dynamic"],
    ],
)
def test_a_step_waits_for_nothing_and_copies_nothing_so_that_a_gpu_can_capture_it(
    choices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Refusing()
    monkeypatch.setattr(components, "device_named", lambda _: torch.device(NAME))
    monkeypatch.setattr(loop, "captured", lambda learner, trainings: CapturedSteps(learner, trainings, recorder))
    cfg = composed(tmp_path, *choices, "epochs=1", "batch_size=3", "clip_norm=1")
    with AnotherDevice():
        parts = components.build(cfg)
        images = random_images(16, parts.dataset.shapes["image"])
        if "dataset.binarise=dynamic" in choices:
            images["intensity"] = images["image"]
        splits = Splits(images, images, images)
        list(loop.fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, tmp_path))
    assert recorder.n_replays == 2 and not caplog.records


@pytest.mark.parametrize(
    ("name", "n_gpus", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda"),
        ("cuda:1", 2, "cuda:1"),
        ("cuda", 0, "`device=cuda` is not on this machine, which has cpu; or set `device=auto`"),
        ("cuda:2", 2, "`device=cuda:2` is not on this machine, which has cuda:0, cuda:1; or set `device=auto`"),
    ],
)
def test_a_device_is_one_of_those_of_this_machine(
    name: str, n_gpus: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    try:
        found = str(device_named(name))
    except ValueError as error:
        found = str(error)
    assert found == expected


def test_a_sweep_checks_its_points_without_a_gpu_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "device_named", lambda _: torch.device(NAME))  # no tensor can be made there
    components.check(composed(tmp_path, "model=vae"))
    with pytest.raises(NotImplementedError, match=NAME):
        components.build(composed(tmp_path, "model=vae"))


@pytest.mark.slow
def test_the_fork_server_imports_all_modules_without_asking_for_a_gpu() -> None:
    # CUDA cannot be used in a copy of a process that has asked for it
    program = (
        "import torch\n"
        "def refuse(*arguments): raise SystemExit('the parent uses CUDA')\n"
        "for module in (torch.cuda, torch._C):\n"
        "    for name in ('is_available', 'device_count', '_lazy_init', '_cuda_init', '_cuda_getDeviceCount'):\n"
        "        if hasattr(module, name): setattr(module, name, refuse)\n"
        "import hwsweep.sweep.execution.fork_server_preload, hwsweep.trial_preload\n"
        "print('imported')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert (ended.stdout, ended.returncode) == ("imported\n", 0), ended.stderr
