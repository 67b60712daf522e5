"""Jobs on a cluster that the test imitates: what the cluster is asked to do, and what its answers lead to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from stub_sweeps import APP, Ran

from hwsweep.sweep import outcome
from hwsweep.sweep.execution import cluster_executor, cluster_node
from hwsweep.sweep.execution.cluster_executor import ClusterExecutor
from hwsweep.sweep.execution.cluster_node import NodeRequest, NodeResult, run_on_node
from hwsweep.sweep.execution.executor import AskedToPrune, Job, JobEnd, Message, Reported
from hwsweep.sweep.execution.job_process import JobProgram, ProcessSettings
from hwsweep.sweep.execution.mailbox import Mailbox

PROCESSES = ProcessSettings([{}], 1, 7.0, [], None)
DONE = outcome.Outcome("complete", [2.5], None, 3.0)


class FakeJob:
    def __init__(self) -> None:
        self.result: NodeResult | None = None
        self.n_cancelled = 0


class FakeCluster:
    """A cluster in which nothing happens by itself."""

    environment: dict[str, str] = {}  # noqa: RUF012
    cpus_per_trial = 3

    def __init__(self) -> None:
        self.earlier: FakeJob | None = None
        """Submitted by an earlier sweep."""
        self.requests: list[NodeRequest] = []
        self.jobs: list[FakeJob] = []
        self.closed = False

    def reattach(self, job: Job) -> FakeJob | None:
        return self.earlier

    def submit(self, request: NodeRequest) -> FakeJob:
        self.requests.append(request)
        self.jobs.append(FakeJob())
        return self.jobs[-1]

    def poll(self, handle: FakeJob) -> NodeResult | None:
        return handle.result

    def cancel(self, handle: FakeJob) -> None:
        handle.n_cancelled += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def executor(cluster: FakeCluster) -> ClusterExecutor:
    return ClusterExecutor(cluster, cast(JobProgram, None), PROCESSES, n_jobs=2)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(4, "4", str(tmp_path), ["x=1"], {"x": 1})


def expect_no_message(job: Job, message: Message) -> None:
    raise AssertionError(message)


def test_as_many_runs_as_n_jobs_are_in_the_cluster_at_once(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job
) -> None:
    executor.submit(job)
    assert executor.free
    executor.submit(job)
    assert not executor.free
    assert [(request.job, request.processes.threads, request.processes.timeout) for request in cluster.requests] == [
        (job, 3, 7.0)
    ] * 2


def test_an_outcome_that_is_not_to_be_seen_yet_is_written_down_here(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job, tmp_path: Path
) -> None:
    executor.submit(job)
    assert executor.wait(expect_no_message, 0.0) == []
    cluster.jobs[0].result = NodeResult(0, None, DONE)
    (end,) = executor.wait(expect_no_message, 0.0)
    stored = outcome.read_outcome(tmp_path)
    assert (end.job, end.exit_code, end.stop_reason) == (job, 0, None)
    assert stored is not None and (stored.state, stored.values) == ("complete", [2.5])
    assert executor.jobs == []


def test_messages_are_passed_on_and_a_run_is_told_that_it_is_pruned(
    executor: ClusterExecutor, job: Job, tmp_path: Path
) -> None:
    messages: list[Message] = []

    def answer(job: Job, message: Message) -> bool | None:
        messages.append(message)
        return isinstance(message, AskedToPrune) and len(messages) == 4

    node = Mailbox(tmp_path)
    node.post(Reported(9.0, 0))  # of a run that was lost
    executor.submit(job)
    for step in range(2):
        node.post(Reported(1.0, step))
        node.post(AskedToPrune())
        executor.wait(answer, 0.0)
        assert node.pruned.exists() == (step == 1)
    assert messages == [Reported(1.0, 0), AskedToPrune(), Reported(1.0, 1), AskedToPrune()]


def test_a_run_that_an_earlier_sweep_left_in_the_cluster_goes_on(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job, tmp_path: Path
) -> None:
    cluster.earlier = FakeJob()
    Mailbox(tmp_path).post(Reported(1.0, 0))
    executor.submit(job)
    assert cluster.requests == []
    messages: list[Message] = []
    executor.wait(lambda job, message: messages.append(message), 0.0)
    assert messages == [Reported(1.0, 0)]


def test_a_run_is_asked_to_end_once_and_not_waited_for_for_ever(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_executor, "GRACE", -1.0)
    executor.submit(job)
    executor.stop()
    executor.stop()
    assert cluster.jobs[0].n_cancelled == 1
    (end,) = executor.wait(expect_no_message, 0.0)
    assert end.stop_reason == "stop"


def test_one_run_is_stopped_and_the_other_goes_on(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job, tmp_path: Path
) -> None:
    other = job._replace(trial=5, folder="5", directory=str(tmp_path / "5"))
    executor.submit(job)
    executor.submit(other)
    executor.stop_job(other)
    assert [each.n_cancelled for each in cluster.jobs] == [0, 1]


def test_to_kill_waits_for_nothing_and_leaves_the_cluster(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job
) -> None:
    executor.submit(job)
    executor.kill()
    assert (executor.jobs, cluster.closed, cluster.jobs[0].n_cancelled) == ([], True, 1)


def test_a_run_whose_outcome_is_known_is_not_run_again_on_a_node(job: Job, tmp_path: Path) -> None:
    outcome.write_outcome(tmp_path, DONE)
    result = run_on_node(NodeRequest(b"not a program", job, "/nowhere", [], PROCESSES, 0.0))
    assert result.outcome is not None and result.outcome.values == [2.5]
    assert (result.exit_code, result.stop_reason) == (0, None)


def test_a_promoted_run_is_run_on_a_node_that_still_sees_the_outcome_of_its_pause(
    executor: ClusterExecutor, cluster: FakeCluster, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome.write_outcome(tmp_path, outcome.Outcome("pruned", [], None, 3.0))
    stale = (tmp_path / "outcome.json").read_text()
    outcome.set_pause_aside(tmp_path)
    executor.submit(job)
    (tmp_path / "outcome.json").write_text(stale)
    monkeypatch.chdir(tmp_path)  # the node leaves it, too
    monkeypatch.setattr(cluster_node, "ProcessPool", lambda *_, compose: SimpleNamespace(kill=lambda: None))
    monkeypatch.setattr(cluster_node, "_run", lambda pool, job: JobEnd(job, 7, None, 0.0))
    assert run_on_node(cluster.requests[0]._replace(working_directory=str(tmp_path))).exit_code == 7


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
