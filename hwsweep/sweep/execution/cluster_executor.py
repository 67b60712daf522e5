"""Jobs on a cluster: the contract of a cluster (Ray, Slurm), and the executor that uses it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.cluster_node import NODE_LOST, NodeRequest, NodeResult
from hwsweep.sweep.execution.executor import Answer, Job, JobEnd
from hwsweep.sweep.execution.job_process import JobProgram, ProcessSettings
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.outcome import pauses, read_outcome, write_outcome

PAUSE = 0.1
"""Seconds between two checks of the running jobs."""
GRACE = 60.0
"""Seconds that a cluster has to end a cancelled job; then the sweep ends without it."""


class Cluster(Protocol):
    """Runs jobs on its machines. A handle stands for a submitted job."""

    environment: dict[str, str]
    """Variables that a job gets in addition to those of its node."""
    cpus_per_trial: int

    def reattach(self, job: Job) -> Any | None:
        """The handle of this job, if an earlier sweep has submitted it and it has not ended."""

    def submit(self, request: NodeRequest) -> Any:
        """The handle of this job, which is now in the cluster's queue."""

    def poll(self, handle: Any) -> NodeResult | None:
        """The result; None while the job is queued or runs."""

    def cancel(self, handle: Any) -> None:
        """Ask the cluster to end the job, or to take it out of its queue. Returns at once."""

    def close(self) -> None:
        """Disconnect from the cluster."""


@dataclass
class _Run:
    job: Job
    handle: Any
    mailbox: Mailbox
    start: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    """When a cancelled job counts as ended (time.monotonic); None if it was not cancelled."""


class ClusterExecutor:
    """An executor that gives a cluster up to n_jobs jobs at once. All machines share the storage of the folders."""

    def __init__(self, cluster: Cluster, program: JobProgram, processes: ProcessSettings, n_jobs: int) -> None:
        self.cluster = cluster
        self.program: bytes = pickling.dumps(program)
        self.processes = processes._replace(slots=[cluster.environment], threads=cluster.cpus_per_trial)
        self.n_jobs = n_jobs
        self.runs: list[_Run] = []

    @property
    def free(self) -> bool:
        return len(self.runs) < self.n_jobs

    @property
    def jobs(self) -> list[Job]:
        return [run.job for run in self.runs]

    def prepare(self, job: Job) -> None:
        pass  # the node composes the configuration

    def submit(self, job: Job) -> None:
        mailbox = Mailbox(Path(job.directory))
        handle = self.cluster.reattach(job)
        if handle is None:
            mailbox.clear()
            search_path = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100  # "" is the working directory
            pause = max((each.end_time or 0.0 for each in pauses(Path(job.directory))), default=0.0)
            request = NodeRequest(self.program, job, str(Path.cwd()), search_path, self.processes, pause)
            handle = self.cluster.submit(request)
        self.runs.append(_Run(job, handle, mailbox))

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        ends = []
        for run in list(self.runs):
            result = self.cluster.poll(run.handle)
            if result is None and run.deadline is not None and time.monotonic() > run.deadline:
                result = NODE_LOST
            for message in run.mailbox.read():
                if answer(run.job, message):
                    run.mailbox.pruned.touch()
            if result is None:
                continue
            if result.outcome is not None and read_outcome(Path(run.job.directory)) is None:
                write_outcome(Path(run.job.directory), result.outcome)  # the job's own file is not visible here yet
            run.mailbox.clear()
            self.runs.remove(run)
            stop_reason = result.stop_reason if run.deadline is None else "stop"
            ends.append(JobEnd(run.job, result.exit_code, stop_reason, time.monotonic() - run.start))
        if not ends:
            time.sleep(min(seconds, PAUSE))
        return ends

    def stop_job(self, job: Job) -> None:
        for run in self.runs:
            if run.job == job and run.deadline is None:
                run.deadline = time.monotonic() + GRACE
                self.cluster.cancel(run.handle)

    def stop(self) -> None:
        for job in self.jobs:
            self.stop_job(job)

    def kill(self) -> None:
        self.stop()
        self.runs.clear()
        self.cluster.close()
