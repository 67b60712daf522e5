"""The benchmark of a GPU: what it says without one, and each of its parts on a CPU with tiny sizes."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_vae import random_images, small_vae

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU, which takes 8 minutes")
def test_without_a_gpu_nothing_is_measured_in_one_line() -> None:
    done = benchmark()
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    assert done.stdout.startswith("no GPU: torch finds none on this machine, so nothing is measured")


@pytest.mark.slow
def test_a_part_that_hangs_is_stopped_and_costs_the_next_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    gpu = importlib.import_module("gpu")
    monkeypatch.setitem(gpu.LIMITS, "a", 0.01)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--cpu", "--quick", "--only", "a", "d"])
    assert gpu.main() == 1
    printed = capfd.readouterr().out
    assert "(a) stopped after 0.01 s" in printed and printed.endswith("without a result: (a)\n")
    rates = re.findall(r"batch  32 (\w+) +[\d,]+ images/s, [\d.]+ of the floor", printed)
    assert rates == ["float32", "tf32", "bfloat16"]


def test_the_floor_of_a_vae_counts_the_operations_and_bytes_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    floor = importlib.import_module("gpu_floor")
    work = floor.work_of_step(small_vae(), random_images(13))
    products = 35 * 11 + 11 * 6 + 3 * 11 + 11 * 35  # weights of the four layers
    # forward, and backward to weights and inputs; the first layer's input, the image, has no gradient
    assert work.operations == 2 * 13 * (3 * products - 35 * 11)
    n_weights = products + 11 + 6 + 11 + 35
    assert work.n_bytes > 10 * 4 * n_weights + 13 * 35
    device = floor.Device(torch.device("cpu"), "a card", 1e9, {"float32": 1e6})
    assert work.seconds(device, "float32") == work.operations / 1e6, "the longer one of bytes and operations"
