"""Runs on a cluster that the test plays: who is asked what, and what is made of what comes back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from stub_sweeps import APP, Ran

from hwsweep.sweep import outcome
from hwsweep.sweep.execution import cluster_executor
from hwsweep.sweep.execution.cluster_executor import ClusterRuns
from hwsweep.sweep.execution.cluster_node import Finished, Work, host
from hwsweep.sweep.execution.executor import Ended, Job
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.execution.trial_process import Program
from hwsweep.sweep.settings import Settings

DONE = outcome.Outcome("complete", [2.5], None, 3.0)


class Placed:
    def __init__(self) -> None:
        self.end: Finished | None = None
        self.n_cancelled = 0

    def finished(self) -> Finished | None:
        return self.end

    def cancel(self) -> None:
        self.n_cancelled += 1


class Played:
    """A cluster in which nothing happens by itself."""

    environment: dict[str, str] = {}  # noqa: RUF012
    cpus_per_trial = 3

    def __init__(self) -> None:
        self.left: Placed | None = None
        self.works: list[Work] = []
        self.placed: list[Placed] = []
        self.closed = False

    def find(self, job: Job) -> Placed | None:
        return self.left

    def place(self, work: Work) -> Placed:
        self.works.append(work)
        self.placed.append(Placed())
        return self.placed[-1]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def runs(played: Played) -> ClusterRuns:
    settings = Settings(**{**dict.fromkeys(Settings._fields), "n_jobs": 2, "timeout": 7.0, "preload": []})
    return ClusterRuns(played, cast(Program, None), settings)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(4, "4", str(tmp_path), ["x=1"], {"x": 1})


def hears_nothing(job: Job, message: tuple[Any, ...]) -> None:
    raise AssertionError(message)


def test_as_many_runs_as_n_jobs_are_in_the_cluster_at_once(runs: ClusterRuns, played: Played, job: Job) -> None:
    runs.submit(job)
    assert runs.free
    runs.submit(job)
    assert not runs.free
    assert [(work.job, work.threads, work.timeout) for work in played.works] == [(job, 3, 7.0)] * 2


def test_an_outcome_that_is_not_to_be_seen_yet_is_written_down_here(
    runs: ClusterRuns, played: Played, job: Job, tmp_path: Path
) -> None:
    runs.submit(job)
    assert runs.wait(hears_nothing, 0.0) == []
    played.placed[0].end = Finished(Ended(job, 0, None, 3.0), DONE)
    (ended,) = runs.wait(hears_nothing, 0.0)
    stored = outcome.read_outcome(tmp_path)
    assert (ended.job, ended.exit_code, ended.stopped) == (job, 0, None)
    assert stored is not None and (stored.state, stored.values) == ("complete", [2.5])
    assert runs.jobs == []


def test_messages_are_passed_on_and_a_run_is_told_that_it_is_pruned(
    runs: ClusterRuns, job: Job, tmp_path: Path
) -> None:
    heard: list[tuple[Any, ...]] = []

    def answer(job: Job, message: tuple[Any, ...]) -> bool | None:
        heard.append(message)
        return message[0] == "should_prune" and len(heard) == 4

    node = Mailbox(tmp_path)
    node.post(("report", 9.0, 0))  # of a run that was lost
    runs.submit(job)
    for step in range(2):
        node.post(("report", 1.0, step))
        node.post(("should_prune",))
        runs.wait(answer, 0.0)
        assert node.pruned.exists() == (step == 1)
    assert heard == [("report", 1.0, 0), ("should_prune",), ("report", 1.0, 1), ("should_prune",)]


def test_a_run_that_an_earlier_sweep_left_in_the_cluster_goes_on(
    runs: ClusterRuns, played: Played, job: Job, tmp_path: Path
) -> None:
    played.left = Placed()
    Mailbox(tmp_path).post(("report", 1.0, 0))
    runs.submit(job)
    assert played.works == []
    heard: list[tuple[Any, ...]] = []
    runs.wait(lambda job, message: heard.append(message), 0.0)
    assert heard == [("report", 1.0, 0)]


def test_a_run_is_asked_to_end_once_and_not_waited_for_for_ever(
    runs: ClusterRuns, played: Played, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_executor, "GRACE", -1.0)
    runs.submit(job)
    runs.stop()
    runs.stop()
    assert played.placed[0].n_cancelled == 1
    (ended,) = runs.wait(hears_nothing, 0.0)
    assert ended.stopped == "stop"


def test_to_kill_waits_for_nothing_and_leaves_the_cluster(runs: ClusterRuns, played: Played, job: Job) -> None:
    runs.submit(job)
    runs.kill()
    assert (runs.jobs, played.closed, played.placed[0].n_cancelled) == ([], True, 1)


def test_a_run_whose_outcome_is_known_is_not_run_again_on_a_node(job: Job, tmp_path: Path) -> None:
    outcome.write_outcome(tmp_path, DONE)
    work = Work(b"not a program", job, "/nowhere", [], {}, 1, None, [])
    finished = host(work)
    assert finished.outcome is not None and finished.outcome.values == [2.5]
    assert (finished.ended.exit_code, finished.ended.stopped) == (0, None)


@pytest.mark.parametrize(("launcher", "library"), [("hwsweep_ray", "ray"), ("hwsweep_slurm", "submitit")])
def test_a_cluster_whose_library_is_missing_is_refused_with_the_way_out(
    tmp_path: Path, launcher: str, library: str
) -> None:
    hidden = (
        "import importlib.util as util, runpy, sys; find = util.find_spec\n"
        f"util.find_spec = lambda name, package=None: None if name == {library!r} else find(name, package)\n"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", hidden, str(APP), "-m", "x=1,2", f"hydra/launcher={launcher}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert f"hydra/launcher={launcher} needs {library}: pip install 'hwsweep[" in ran.stderr
    assert not (tmp_path / "outputs").exists()


def test_another_sweeper_cannot_use_a_cluster_and_says_so(sweep: Callable[..., Ran]) -> None:
    ran = sweep("x=1,2", "hydra/sweeper=basic", "hydra/launcher=hwsweep_slurm")
    assert ran.code == 1
    assert "hydra/launcher=hwsweep_slurm works with hydra/sweeper=hwsweep only" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.launcher.cluster=lsf"], "must be slurm or local, but got lsf"),
        (["hydra.launcher.cluster=slurm"], "this machine has no srun"),
        (["hydra.launcher.cluster=local", "hydra.sweeper.gpus_per_trial=0.5"], "Slurm gives whole GPUs"),
    ],
)
def test_what_slurm_cannot_do_is_refused_and_leaves_nothing(
    sweep: Callable[..., Ran], arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="the extra hwsweep[slurm] is not installed")
    monkeypatch.setenv("PATH", "")
    ran = sweep("x=1,2", "hydra/launcher=hwsweep_slurm", *arguments)
    assert ran.code == 1
    assert message in ran.err
    assert ran.studies == []
