"""Sweeps of hwsweep itself: whatever happens, Optuna's book and MLflow's agree."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow.entities import Run
from stub_sweeps import trials

from hwsweep.tracking import runs

TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "vae.hidden=13", "vae.latent=3"),
    *("analysis.features.n_steps=3", "figures=none", "hydra.sweeper.study_name=kept"),
]
pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hwsweep", "-m", *TINY, *arguments]
    with (folder / "stderr").open("wb") as file:
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=file)


def finish(folder: Path, *arguments: str) -> None:
    assert start(folder, *arguments).wait() == 0, (folder / "stderr").read_text()


def tracked(folder: Path) -> list[Run]:
    """The MLflow runs of the study's trials."""
    store = runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", f"{folder}/mlruns/artifacts")
    found: list[Run] = store.client().search_runs([store.experiment("kept")], "tags.`hwsweep.role` = 'trial'")
    return found


def steps(folder: Path, run: Run) -> list[int]:
    store = runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", f"{folder}/mlruns/artifacts")
    return [metric.step for metric in store.client().get_metric_history(run.info.run_id, "valid/neg_elbo")]


def kill_in_training(sweep: subprocess.Popen[bytes], folder: Path) -> None:
    """SIGKILL the sweep while a trial that has a checkpoint of this moment still trains."""
    began = time.time()
    deadline = time.monotonic() + 100
    while sweep.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint in 100 s"
        for path in folder.glob("outputs/kept/*/checkpoints/last.pt"):
            if path.stat().st_mtime > began and not (path.parents[1] / "outcome.json").exists():
                sweep.send_signal(signal.SIGKILL)
                sweep.wait()
                return
        time.sleep(0.005)


@pytest.mark.timeout(900)
def test_a_killed_sweep_goes_on_from_checkpoints_in_the_same_runs_to_the_same_numbers(
    tmp_path: Path, workplace: Path
) -> None:
    arguments = ("vae.lambda=0.5,2", "epochs=20")
    calm = tmp_path / "calm"
    calm.mkdir()
    finish(calm, *arguments)
    for _ in range(2):
        kill_in_training(start(workplace, *arguments), workplace)
    finish(workplace, *arguments)

    expected, found = trials(calm / "outputs" / "kept"), trials(workplace / "outputs" / "kept")
    assert [(t.params, t.values, t.state.name) for t in found] == [(t.params, t.values, "COMPLETE") for t in expected]
    runs = tracked(workplace)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    finished = {int(run.data.tags["hwsweep.trial"]): run for run in runs if run.info.status == "FINISHED"}
    assert {t.number: t.user_attrs["mlflow_run_id"] for t in found} == {n: r.info.run_id for n, r in finished.items()}
    for run in finished.values():
        assert steps(workplace, run) == list(range(1, 21))
    for trial in found:
        result = json.loads((workplace / "outputs" / "kept" / str(trial.number) / "result.json").read_text())
        columns = {key: result["metrics"][key] for key in ("test/distortion", "test/rate", "test/neg_elbo")}
        assert trial.user_attrs.items() >= {**columns, "verdict": result["verdict"], "why": result["why"]}.items()
        assert not any(isinstance(value, dict) for value in trial.user_attrs.values())


@pytest.mark.timeout(300)
def test_a_promoted_trial_has_the_bits_of_one_that_was_never_paused(tmp_path: Path, workplace: Path) -> None:
    calm = tmp_path / "calm"
    calm.mkdir()
    finish(calm, "vae.lambda=1", "epochs=4", "schedule=cosine_warmup")
    promotion = ("hydra/sweeper/pruner=promotion", "hydra.sweeper.pruner.eta=2", "hydra.sweeper.n_jobs=1")
    finish(workplace, "vae.lambda=1,100", "epochs=4", "schedule=cosine_warmup", *promotion)

    parts = sorted(path.name for path in Path(workplace, "outputs/kept/0").glob("outcome*.json"))
    assert parts == ["outcome.json", "outcome_1.json", "outcome_2.json"]  # it paused after epochs 1 and 2
    for name in ("last", "best"):
        paths = [Path(folder, f"outputs/kept/0/checkpoints/{name}.pt") for folder in (calm, workplace)]
        expected, found = (without_times(torch.load(path, weights_only=True)) for path in paths)
        assert found.pop("device", None) == expected.pop("device", None)  # a text, which torch does not compare
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    results = [json.loads(Path(folder, "outputs/kept/0/result.json").read_text()) for folder in (calm, workplace)]
    expected, found = (without_times(result["metrics"]) for result in results)
    assert found == expected
    found_trials = trials(workplace / "outputs" / "kept")
    assert found_trials[0].values == trials(calm / "outputs" / "kept")[0].values
    assert [trial.state.name for trial in found_trials] == ["COMPLETE", "PRUNED"]

    first, second = sorted(tracked(workplace), key=lambda run: run.data.tags["hwsweep.trial"])
    assert steps(workplace, first) == [1, 2, 3, 4]
    assert (first.info.status, first.data.tags["hwsweep.state"]) == ("FINISHED", "promoted")
    assert (second.info.status, second.data.tags["hwsweep.state"]) == ("KILLED", "pruned")


def without_times(state: dict[str, Any]) -> dict[str, Any]:
    """What was trained and measured, without how long that took."""
    if "history" in state:
        state = {**state, "history": [without_times(metrics) for metrics in state["history"]]}
    return {key: value for key, value in state.items() if not key.startswith("time/")}


def test_a_pruned_trial_is_pruned_in_both_books(workplace: Path) -> None:
    median = "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:1}"
    finish(workplace, "optimizer.lr=1e-2,1e-9", "epochs=3", median)
    good, bad = trials(workplace / "outputs" / "kept")
    assert (good.state.name, bad.state.name) == ("COMPLETE", "PRUNED")
    status = {
        run.data.tags["hwsweep.trial"]: (run.info.status, run.data.tags.get("hwsweep.state"))
        for run in tracked(workplace)
    }
    assert status == {"0": ("FINISHED", None), "1": ("KILLED", "pruned")}
