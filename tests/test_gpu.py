"""Runs on a GPU: near those of the CPU, resumed, repeated, swept. Skipped where torch finds no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_run import composed

from hwsweep.run import run
from hwsweep.sweep.outcome import from_call
from hwsweep.training import loop
from hwsweep.training.checkpoint import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU on this machine"),
]
MODELS = ["vae", "vae_linear", "vae_conv", "vae_all_lambda", "vae_autoregressive", "transformer"]
ENOUGH = ["dataset.n_train=3000", "dataset.n_valid=1000"]
"""Images of the comparison with the CPU: with fewer the noise alone may move the loss by half a nat."""
Call = Callable[..., subprocess.CompletedProcess[str]]


def measured(folder: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((folder / "result.json").read_text())["metrics"]
    return metrics


def history(folder: Path) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = load(folder / "checkpoints" / "last.pt")["history"]
    return rows


@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_ends_an_epoch_within_half_a_nat_of_the_cpu(
    name: str, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for device in ("cpu", "cuda"):
        run(composed(workplace / device, f"model={name}", f"device={device}", "epochs=1", *ENOUGH))
    on_cpu, on_gpu = (measured(workplace / device)["valid/loss"] for device in ("cpu", "cuda"))
    assert on_gpu == pytest.approx(on_cpu, abs=0.5)
    assert "no CUDA graph" not in caplog.text


@pytest.mark.parametrize(
    "choices",
    [
        ["kl=linear", "schedule=cosine_warmup", "clip_norm=1"],
        ["optimizer=sgd"],
        ["model=vae_conv", "precision=bfloat16"],
    ],
)
def test_captured_steps_give_the_losses_of_plain_ones(
    choices: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*choices, "device=cuda", "deterministic=true", "dataset.n_train=1000", "epochs=2"]
    run(composed(workplace / "captured", *options))
    assert "no CUDA graph" not in caplog.text
    monkeypatch.setattr(loop, "captured", lambda learner, trainings: learner)
    run(composed(workplace / "plain", *options))
    assert [row["valid/loss"] for row in history(workplace / "captured")] == [
        pytest.approx(row["valid/loss"], rel=1e-4) for row in history(workplace / "plain")
    ]


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
@pytest.mark.parametrize("name", ["vae", "transformer"])
def test_a_run_goes_on_on_the_other_device(
    name: str, first: str, second: str, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(composed(workplace / "first", f"model={name}", f"device={first}", "epochs=1"))
    run(composed(workplace / "second", f"model={name}", f"device={second}", "epochs=2", f"resume={workplace}/first"))
    assert f"is of a training on device={first}, and this one goes on with device={second}" in caplog.text
    first_epoch, second_epoch = history(workplace / "second")
    assert second_epoch["valid/loss"] < first_epoch["valid/loss"]


@pytest.mark.parametrize("name", MODELS)
def test_deterministic_repeats_every_bit_also_after_a_resumption(name: str, workplace: Path) -> None:
    options = [f"model={name}", "device=cuda", "deterministic=true", "schedule=constant"]  # one of 1 epoch and of 2
    run(composed(workplace / "whole", *options, "epochs=2"))
    run(composed(workplace / "half", *options, "epochs=1"))
    run(composed(workplace / "resumed", *options, "epochs=2", f"resume={workplace}/half"))
    whole, resumed = (load(workplace / each / "checkpoints" / "last.pt")["model"] for each in ("whole", "resumed"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_reproduce_repeats_a_deterministic_run_to_the_bit(workplace: Path, hwsweep: Call) -> None:
    tiny = ["dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "vae.hidden=13", "vae.latent=3"]
    done = hwsweep(*tiny, "epochs=2", "device=cuda", "deterministic=true", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    run_id = json.loads((workplace / "run" / "result.json").read_text())["run_id"]
    command = [sys.executable, "-m", "hwsweep.reproduce", run_id]
    again = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0 and "bit-identical" in again.stdout, again.stdout + again.stderr
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    on_cpu = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert "trained with device=cuda, again with device=cpu" in on_cpu.stdout, on_cpu.stdout + on_cpu.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["hydra.sweeper.stack=1", "hydra.sweeper.n_jobs=2", "hydra.sweeper.gpus_per_trial=0.5", "vae.lambda=0,1,100"],
        ["hydra.sweeper.stack=3", "vae.lambda=0,1,100"],
        ["hydra.sweeper.stack=3", "model=transformer", "dataset=headlines", "seed=0,1,2"],
    ],
)
def test_a_sweep_trains_its_trials_on_the_gpu(options: list[str], workplace: Path, hwsweep: Call) -> None:
    small = ["dataset.n_train=500", "epochs=1", "device=cuda", "hydra.sweeper.study_name=s"]
    done = hwsweep("-m", *small, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    trainer = workplace / "outputs" / "s" / "trainer.log"
    printed = trainer.read_text() if trainer.exists() else ""
    assert "no CUDA graph" not in printed and "at once failed" not in printed
    for number in range(3):
        stored = load(workplace / "outputs" / "s" / str(number) / "checkpoints" / "last.pt")
        assert stored["device"] == "cuda"


def test_memory_that_the_gpu_lacks_is_the_reason_of_the_failure(workplace: Path) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-5)
    try:
        outcome = from_call(lambda: run(composed(workplace / "run", "device=cuda", "vae.hidden=3000")), 1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert outcome.failure is not None and outcome.failure.reason == "out-of-memory"
