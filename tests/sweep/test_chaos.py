"""A sweep that is killed again and again ends as the undisturbed one: same points, same values, nothing run twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from stub_sweeps import APP, command, trials

from hwsweep.sweep.study.trial_attributes import trial_params

GRID = ["x=range(0,12)", "hydra.sweeper.n_jobs=2"]
TPE = [
    "x=interval(-3,3)",
    "seed=range(0,5)",
    "shape=round,square",
    "hydra.sweeper.n_trials=12",
    "+hydra.sweeper.sampler.n_startup_trials=4",
]
GATE = "gate"
"""A file; trials begin to count when it is there."""
PAUSING = [
    "x=6,3,9,1,8,2,7",
    "epochs=3",
    "seconds=0.1",
    f"gate={GATE}",
    "hydra/sweeper/pruner=first_epoch",
    "hydra.sweeper.n_jobs=2",
]
EPOCHS_APP = Path(__file__).parent / "epochs_app.py"
KEPT = ["hydra.sweeper.study_name=kept", "hydra.sweeper.retries=1000"]


def start(folder: Path, arguments: list[str], app: Path = APP) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command(*arguments, *KEPT, app=app), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def add_point(running: subprocess.Popen[bytes], folder: Path, point: str) -> None:
    """Add a point when the study has a trial, and before any of them counts."""
    while not (folder / "outputs" / "kept" / "0").exists():
        assert running.poll() is None
        time.sleep(0.01)
    subprocess.run([sys.executable, "-m", "hwsweep.study", "kept", "add", point], cwd=folder, check=True)
    (folder / GATE).touch()


def strike(running: subprocess.Popen[bytes], folder: Path, rng: random.Random) -> None:
    """SIGKILL the sweep, its fork server, a trial's process, or sweep and process; then the sweep anyway.

    At times the sweep is killed as soon as its last trial has ended.
    """
    victims = rng.choice(["sweep", "server", "worker", "both", "end"])
    if victims in ("worker", "both"):
        for path in folder.glob("outputs/kept/*/process.json"):
            kill_worker(path)
    if victims == "server":
        kill_server(running.pid)
    if victims == "end":
        results = folder / "outputs" / "kept" / "optimization_results.yaml"
        results.unlink(missing_ok=True)
        while running.poll() is None and not results.exists():
            time.sleep(0.001)
    if victims in ("server", "worker"):
        with suppress(subprocess.TimeoutExpired):
            running.wait(rng.uniform(0.1, 0.6))
    running.kill()
    running.wait()


def kill_worker(path: Path) -> None:
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(int(json.loads(path.read_text())["process"].split()[-2]), signal.SIGKILL)


def kill_server(sweep: int) -> None:
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(sweep).children():
            if "forkserver" in " ".join(child.cmdline()):
                child.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "n_kills", "seed"),
    [
        pytest.param(GRID, 20, 1, id="grid"),
        pytest.param(TPE, 20, 2, id="tpe"),
    ],
)
def test_a_sweep_killed_at_random_moments_ends_as_the_undisturbed_one(
    tmp_path: Path, arguments: list[str], n_kills: int, seed: int
) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    undisturbed = start(calm, [*arguments, "seconds=0.1"])
    rng = random.Random(seed)
    outcomes: dict[Path, str] = {}
    for _ in range(n_kills):
        running = start(wild, [*arguments, "seconds=0.1"])
        try:
            running.wait(rng.uniform(0.2, 2.5))
        except subprocess.TimeoutExpired:
            strike(running, wild, rng)
        for path in wild.glob("outputs/kept/*/outcome.json"):
            written = path.read_text()
            assert outcomes.setdefault(path, written) == written, "a trial that had ended was run again"
    assert start(wild, [*arguments, "seconds=0.1"]).wait() == 0
    assert undisturbed.wait() == 0

    expected = [(t.number, t.params, t.values, t.state.name) for t in trials(calm / "outputs" / "kept")]
    found = [(t.number, t.params, t.values, t.state.name) for t in trials(wild / "outputs" / "kept")]
    assert len(expected) == 12
    assert {row[3] for row in expected} == {"COMPLETE"}
    assert found == expected


@pytest.mark.slow
def test_a_sweep_with_pauses_and_an_added_point_that_is_killed_at_random_moments_ends_as_the_undisturbed_one(
    tmp_path: Path,
) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    undisturbed = start(calm, PAUSING, EPOCHS_APP)
    add_point(undisturbed, calm, "x=0")
    assert undisturbed.wait() == 0
    rng = random.Random(3)
    running = start(wild, PAUSING, EPOCHS_APP)
    add_point(running, wild, "x=0")
    strike(running, wild, rng)
    for _ in range(10):
        running = start(wild, PAUSING, EPOCHS_APP)
        try:
            running.wait(rng.uniform(0.5, 2.0))
        except subprocess.TimeoutExpired:
            strike(running, wild, rng)
    assert start(wild, PAUSING, EPOCHS_APP).wait() == 0

    ended = [trials(folder / "outputs" / "kept") for folder in (calm, wild)]
    ends = [{trial_params(trial)["x"]: (trial.state.name, trial.values) for trial in one} for one in ended]
    best = {x: ("COMPLETE", [float(x)]) for x in (0, 1, 2)}
    others = {x: ("PRUNED", [float(x)]) for x in (3, 6, 7, 8, 9)}  # the last report, x / epoch, is of epoch 1
    assert ends == [best | others] * 2
