"""Trials as submitit's jobs, run by its local executor: a process for Slurm's job, and one of ours for the trial."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from stub_sweeps import APP, command, trials

pytest.importorskip("submitit", reason="the extra hwsweep[slurm] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EPOCHS = Path(__file__).parents[1] / "epochs_app.py"
LOCAL = ["hydra/launcher=hwsweep_slurm", "hydra.launcher.cluster=local", "hydra.sweeper.study_name=kept"]
SECONDS = 200.0
"""A test that waits longer has failed; the machine may be busy."""


class Sweep:
    """A sweep in a process of its own, in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, app: Path) -> None:
        self.study = folder / "outputs" / "kept"
        self.log = folder / "log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command(*arguments, app=app), cwd=folder, stdout=log, stderr=log)

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def end(self) -> int:
        return self.process.wait(SECONDS)

    def slurm_job(self, number: int) -> psutil.Process:
        """The process that stands for Slurm's job of this trial."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                line = process.cmdline()
                if "submitit.core._submit" in line and line[-1].endswith(f"/{number}/slurm"):
                    return process
        raise AssertionError(f"no job of trial {number}")

    def says(self, number: int, text: str) -> bool:
        path = self.study / str(number) / "output.log"
        return path.exists() and text in path.read_text()


def test_thirty_trials_are_run_once_each_though_a_job_is_killed(tmp_path: Path) -> None:
    numbers = ",".join(map(str, range(30)))
    seconds = ",".join(["0"] * 9 + ["6"] + ["0"] * 20)
    zipped = "hydra.sweeper.zip=[[x,seconds]]"
    sweep = Sweep(tmp_path, f"x={numbers}", f"seconds={seconds}", zipped, "hydra.sweeper.n_jobs=3", *LOCAL, app=APP)
    sweep.until(lambda: sweep.says(9, "x is"))
    sweep.slurm_job(9).kill()
    assert sweep.end() == 0, sweep.log.read_text()
    found = trials(sweep.study)
    assert [(t.params["x"], t.value) for t in found] == [(x, (x - 1) ** 2) for x in range(30)]
    assert {t.state.name for t in found} == {"COMPLETE"}
    begun = [(sweep.study / str(n) / "output.log").read_text().count("x is") for n in range(30)]
    assert begun == [1] * 9 + [2] + [1] * 20


def test_each_way_to_fail_is_named_as_it_is_here(tmp_path: Path) -> None:
    ways = "how=well,raise,exit,'killed once',memory,hang"
    sweep = Sweep(
        tmp_path,
        ways,
        "hydra.sweeper.n_jobs=3",
        "hydra.sweeper.timeout=8",
        "hydra.sweeper.max_failure_rate=1",
        *LOCAL,
        app=APP,
    )
    assert sweep.end() == 0, sweep.log.read_text()
    reasons = [t.user_attrs.get("failure", {}).get("reason", t.state.name) for t in trials(sweep.study)]
    assert reasons == ["COMPLETE", "error", "killed", "COMPLETE", "out-of-memory", "timeout"]


def test_a_preempted_job_is_queued_again_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, "x=8", "epochs=12", "seconds=0.5", *LOCAL, app=EPOCHS)
    sweep.until(lambda: (sweep.study / "0" / "checkpoint").exists())
    job = sweep.slurm_job(0)
    for process in job.children(recursive=True):  # Slurm signals all that runs in the job
        process.send_signal(signal.SIGUSR2)
    time.sleep(1)
    job.send_signal(signal.SIGUSR2)
    assert sweep.end() == 0, sweep.log.read_text()
    starts = [int(n) for n in re.findall(r"from epoch (\d+)", (sweep.study / "0" / "output.log").read_text())]
    assert len(starts) == 2 and starts[0] == 0 < starts[1] < 12
    (trial,) = trials(sweep.study)
    assert trial.state.name == "COMPLETE"
    assert trial.intermediate_values == {epoch: 8 / epoch for epoch in range(1, 13)}


def test_a_job_at_its_time_limit_too_often_is_a_timeout(tmp_path: Path) -> None:
    limits = ["hydra.launcher.minutes=1", "hydra.launcher.max_timeouts=0", "hydra.sweeper.max_failure_rate=1"]
    sweep = Sweep(tmp_path, "how=hang", *limits, *LOCAL, app=APP)
    sweep.until(lambda: sweep.says(0, "x is"))
    sweep.slurm_job(0).send_signal(signal.SIGUSR2)  # for submitit, all of so short a limit is near its end
    assert sweep.end() == 0, sweep.log.read_text()
    (trial,) = trials(sweep.study)
    assert trial.user_attrs["failure"]["reason"] == "timeout"


def test_a_pruner_gives_up_a_trial_that_runs_elsewhere(tmp_path: Path) -> None:
    pruner = ["+hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner", "+hydra.sweeper.pruner.upper=5"]
    sweep = Sweep(tmp_path, "x=4,6", "epochs=20", "seconds=0.3", "hydra.sweeper.n_jobs=2", *pruner, *LOCAL, app=EPOCHS)
    assert sweep.end() == 0, sweep.log.read_text()
    good, bad = trials(sweep.study)
    assert (good.state.name, len(good.intermediate_values)) == ("COMPLETE", 20)
    assert bad.state.name == "PRUNED"
    assert len(bad.intermediate_values) < 20


def test_a_paused_trial_that_is_promoted_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    arguments = ["x=5,3,4", "epochs=9", "seconds=0.3", "hydra/sweeper/pruner=promotion"]
    sweep = Sweep(tmp_path, *arguments, "hydra.sweeper.n_jobs=2", *LOCAL, app=EPOCHS)
    assert sweep.end() == 0, sweep.log.read_text()
    assert [t.state.name for t in trials(sweep.study)] == ["PRUNED", "COMPLETE", "PRUNED"], sweep.log.read_text()
    starts = [int(n) for n in re.findall(r"from epoch (\d+)", (sweep.study / "1" / "output.log").read_text())]
    assert starts[0] == 0 and len(starts) > 1 and starts == sorted(set(starts))  # it trained no epoch twice


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_where_a_stopped_sweep_was(tmp_path: Path, how: signal.Signals) -> None:
    arguments = ["x=1,2,3", "epochs=20", "seconds=0.4", "hydra.sweeper.n_jobs=2", *LOCAL]
    sweep = Sweep(tmp_path, *arguments, app=EPOCHS)
    sweep.until(lambda: all((sweep.study / str(n) / "checkpoint").exists() for n in range(2)))
    os.kill(sweep.process.pid, how)
    assert sweep.end() == (130 if how == signal.SIGINT else -9)
    again = Sweep(tmp_path, *arguments, app=EPOCHS)
    assert again.end() == 0, again.log.read_text()
    assert [(t.params["x"], t.value, t.state.name) for t in trials(sweep.study)] == [
        (x, x, "COMPLETE") for x in (1, 2, 3)
    ]
    starts = re.findall(r"from epoch (\d+)", (sweep.study / "0" / "output.log").read_text())
    assert len(starts) == 2 and int(starts[1]) > 0


def test_no_pickle_in_a_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import submitit

    from hwsweep.sweep.execution.executor import Job
    from hwsweep.sweep.execution.slurm_cluster import SlurmCluster, SlurmSettings

    class Evil:
        def __reduce__(self) -> object:
            return Path.touch, (tmp_path / "executed",)

    folder = tmp_path / "0" / "slurm"
    folder.mkdir(parents=True)
    for name in ("job.pkl", "7_submitted.pkl", "7_0_result.pkl"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    (folder / "job.json").write_text('{"id": "7"}')
    (folder / "7_0_log.err").write_text("Traceback\nno such module\n")
    monkeypatch.setattr("shutil.which", lambda name: name)
    settings = SlurmSettings("slurm", None, 1, None, 1, 0, 1, {})
    cluster = SlurmCluster(settings, None, "mine")
    assert cluster.reattach(Job(0, "0", str(tmp_path / "0"), [], {})) is None
    result = cluster.poll(submitit.SlurmJob(folder, "7"))
    assert result is not None and result.outcome is not None and result.outcome.failure is not None
    assert result.outcome.failure.message == "Slurm's job failed: no such module"
    assert not (tmp_path / "executed").exists()


def test_only_the_user_can_read_what_submitit_stores(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, "x=1", *LOCAL, app=APP)
    assert sweep.end() == 0, sweep.log.read_text()
    assert (sweep.study / "0" / "slurm").stat().st_mode & 0o077 == 0
