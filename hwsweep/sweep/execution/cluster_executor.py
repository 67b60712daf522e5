"""Jobs on a cluster: the contract of a cluster (Ray, Slurm), and the executor that uses it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.cluster_node import NodeRequest, NodeResult, node_lost
from hwsweep.sweep.execution.executor import Answer, Job, JobEnd
from hwsweep.sweep.execution.job_process import JobProgram
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.outcome import read_outcome, write_outcome
from hwsweep.sweep.settings import Settings

PAUSE = 0.1
"""Seconds between two checks of the running jobs."""
GRACE = 60.0
"""Seconds that a cluster has to end a cancelled job; then the sweep ends without it."""


class ClusterJob(Protocol):
    """A job in a cluster's hands, queued or running."""

    def poll(self) -> NodeResult | None:
        """The result; None while the job is queued or runs."""

    def cancel(self) -> None:
        """Ask the cluster to end the job, or to take it out of its queue. Returns at once."""


class Cluster(Protocol):
    """Runs jobs on its machines."""

    environment: dict[str, str]
    """Variables that a job gets in addition to those of its node."""
    cpus_per_trial: int

    def reattach(self, job: Job) -> ClusterJob | None:
        """The same job, if an earlier sweep has submitted it and it has not ended."""

    def submit(self, request: NodeRequest) -> ClusterJob:
        """Put the job in the cluster's queue."""

    def close(self) -> None:
        """Disconnect from the cluster."""


@dataclass
class _Run:
    job: Job
    cluster_job: ClusterJob
    mailbox: Mailbox
    start: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    """When a cancelled job counts as ended (time.monotonic); None if it was not cancelled."""


class ClusterExecutor:
    """An executor that gives a cluster up to n_jobs jobs at once. All machines share the storage of the folders."""

    def __init__(self, cluster: Cluster, program: JobProgram, settings: Settings) -> None:
        self.cluster = cluster
        self.program: bytes = pickling.dumps(program)
        self.settings = settings
        self.runs: list[_Run] = []

    @property
    def free(self) -> bool:
        return len(self.runs) < self.settings.concurrency

    @property
    def jobs(self) -> list[Job]:
        return [run.job for run in self.runs]

    def prepare(self, job: Job) -> None:
        pass  # the node composes the configuration

    def submit(self, job: Job) -> None:
        mailbox = Mailbox(Path(job.directory))
        cluster_job = self.cluster.reattach(job)
        if cluster_job is None:
            mailbox.clear()
            cluster_job = self.cluster.submit(self._request(job))
        self.runs.append(_Run(job, cluster_job, mailbox))

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        ends = []
        for run in list(self.runs):
            result = _poll(run)
            for message in run.mailbox.read():
                if answer(run.job, message):
                    run.mailbox.pruned.touch()
            if result is not None:
                self.runs.remove(run)
                ends.append(_collect(run, result))
        if not ends:
            time.sleep(min(seconds, PAUSE))
        return ends

    def stop(self) -> None:
        for run in self.runs:
            if run.deadline is None:
                run.deadline = time.monotonic() + GRACE
                run.cluster_job.cancel()

    def kill(self) -> None:
        self.stop()
        self.runs.clear()
        self.cluster.close()

    def _request(self, job: Job) -> NodeRequest:
        return NodeRequest(
            program=self.program,
            job=job,
            working_directory=str(Path.cwd()),
            search_path=[os.path.abspath(path) for path in sys.path],  # noqa: PTH100  # "" is the working directory
            environment=self.cluster.environment,
            threads=self.cluster.cpus_per_trial,
            timeout=self.settings.timeout,
            preload=list(self.settings.preload),
        )


def _poll(run: _Run) -> NodeResult | None:
    """The result of the job; a job that the cluster did not end in GRACE seconds counts as lost."""
    result = run.cluster_job.poll()
    if result is None and run.deadline is not None and time.monotonic() > run.deadline:
        return node_lost(run.job)
    return result


def _collect(run: _Run, result: NodeResult) -> JobEnd:
    """The end of the job, once its outcome can be read here and the mailbox is empty."""
    directory = Path(run.job.directory)
    if result.outcome is not None and read_outcome(directory) is None:
        write_outcome(directory, result.outcome)
    run.mailbox.clear()
    stop_reason = result.end.stop_reason if run.deadline is None else "stop"
    return result.end._replace(job=run.job, stop_reason=stop_reason, seconds=time.monotonic() - run.start)
