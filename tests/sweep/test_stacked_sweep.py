"""Sweeps whose trials train as one: each trial is what it is alone, whatever happens to the others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from stub_sweeps import trials

from hwsweep.sweep.execution.process_pool import TRAINER_OUTPUT
from hwsweep.tracking import runs

TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "batch_size=32", "epochs=30"),
    *("vae.hidden=13", "vae.latent=3", "analysis.features.n_steps=3", "figures=none"),
    *("hydra.sweeper.study_name=kept", "hydra.sweeper.observer=null"),
]
STACK = "hydra.sweeper.stack=3"
LAMBDAS = "vae.lambda=0,1,100"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what is computed once per data set."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, migrated_store: Path, cache: Path) -> Path:
    """The study of the same trials, each trained by itself."""
    folder = with_store(tmp_path_factory.mktemp("alone"), migrated_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWSWEEP_DATA", str(folder / "data"))
        patch.setenv("XDG_CACHE_HOME", str(cache))
        return finish(folder, LAMBDAS, "hydra.sweeper.stack=1", "hydra.sweeper.n_jobs=1")


@pytest.fixture
def folder(tmp_path: Path, migrated_store: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a sweep runs. After the test no process and no temporary folder of it is left."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    yield with_store(tmp_path / "w", migrated_store)
    deadline = time.monotonic() + 20
    while (left := [*temporary.glob("hwsweep-*"), *processes(temporary)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def with_store(folder: Path, migrated_store: Path) -> Path:
    """The folder, with an MLflow store: to make one takes seconds."""
    (folder / "mlruns").mkdir(parents=True)
    shutil.copy(migrated_store, folder / "mlruns" / "mlflow.db")
    return folder


def processes(temporary: Path) -> list[psutil.Process]:
    """Those with this folder for temporary files, without this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == str(temporary):
                found.append(process)
        except psutil.Error:
            continue
    return found


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hwsweep", "-m", *TINY, *arguments]
    with (folder / "stderr").open("wb") as file:
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True)


def finish(folder: Path, *arguments: str) -> Path:
    """The study's folder, after the sweep has ended well."""
    assert start(folder, *arguments).wait(timeout=200) == 0, (folder / "stderr").read_text()
    return folder / "outputs" / "kept"


def history(trial: Path) -> list[dict[str, float]]:
    epochs: list[dict[str, float]] = torch.load(trial / "checkpoints" / "last.pt", weights_only=True)["history"]
    return epochs


def losses(trial: Path) -> list[float]:
    """Of all epochs, as the trial's checkpoint has them."""
    return [row[name] for row in history(trial) for name in sorted(row) if not name.startswith("time/")]


def assert_same(trial: Path, alone: Path) -> None:
    assert losses(trial) == pytest.approx(losses(alone), abs=1e-4, rel=1e-6)


def trainer_of(folder: Path) -> psutil.Process:
    """The process that trains: it has the study's file for its output."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in processes(folder.parent / "t"):
            try:
                if Path(f"/proc/{process.pid}/fd/1").readlink().name == TRAINER_OUTPUT:
                    return process
            except OSError:
                continue
    raise AssertionError("no process trains")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < deadline, f"waited 100 s for {path}"
        time.sleep(0.01)


def test_each_trial_of_a_stack_is_what_it_is_alone(folder: Path, alone: Path) -> None:
    study = finish(folder, LAMBDAS, STACK)
    store = runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", f"{folder}/mlruns/artifacts")
    for trial, expected in zip(trials(study), trials(alone), strict=True):
        own, single = study / str(trial.number), alone / str(trial.number)
        assert_same(own, single)
        assert trial.value == pytest.approx(expected.value, abs=1e-4)
        result, of_single = (json.loads((path / "result.json").read_text()) for path in (own, single))
        logged = store.client().get_metric_history(result["run_id"], "valid/loss")
        assert [(m.step, m.value) for m in logged] == [(row["epoch"], row["valid/loss"]) for row in history(own)]
        assert result["verdict"] == of_single["verdict"]
        sizes = [(path / "checkpoints" / "best.pt").stat().st_size for path in (own, single)]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


@pytest.mark.parametrize("killed", ["trainer", "sweep"])
def test_what_is_killed_goes_on_from_its_checkpoints(killed: str, folder: Path, alone: Path) -> None:
    study = folder / "outputs" / "kept"
    sweep = start(folder, LAMBDAS, STACK)
    wait_for(study / "1" / "checkpoints" / "last.pt")
    if killed == "trainer":
        trainer_of(folder).kill()
        assert sweep.wait(timeout=200) == 0, (folder / "stderr").read_text()
    else:
        sweep.kill()
        assert sweep.wait(timeout=60) == -signal.SIGKILL
        assert all(trial.value is None for trial in trials(study))
        finish(folder, LAMBDAS, STACK)
    for trial in trials(study):
        assert trial.state.name == "COMPLETE"
        assert_same(study / str(trial.number), alone / str(trial.number))
        printed = (study / str(trial.number) / "output.log").read_text()
        assert printed.count("epoch 1/30") <= 2


@pytest.mark.parametrize("other", ["hydra/launcher=basic", "hydra.sweeper.gpus_per_trial=1"])
def test_what_a_stack_does_not_go_with_is_refused_in_one_line_and_leaves_nothing(other: str, folder: Path) -> None:
    assert start(folder, LAMBDAS, STACK, other).wait(timeout=200) == 1
    assert "; set hydra.sweeper.stack=1, or" in (folder / "stderr").read_text()
    assert (folder / "stderr").read_text().count("\n") == 1
    assert not (folder / "outputs").exists()


def test_one_that_diverges_and_one_of_another_shape_do_not_disturb_the_others(folder: Path, alone: Path) -> None:
    points = ["vae.hidden=13,14", "optimizer.lr=1e-3,1e30"]
    study = finish(folder, *points, "hydra.sweeper.stack=4", "hydra.sweeper.max_failure_rate=1")
    reasons = {tuple(trial.params.values()): trial.user_attrs.get("failure") for trial in trials(study)}
    for (hidden, rate), failure in reasons.items():
        assert (failure and failure["reason"]) == ("diverged" if rate == 1e30 else None), (hidden, rate)
    (kept,) = [t for t in trials(study) if list(t.params.values()) == [13, 1e-3]]
    assert_same(study / str(kept.number), alone / "1")
