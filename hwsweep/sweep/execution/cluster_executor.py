"""Runs on a cluster: the contract of what places them there (Ray, Slurm), and the executor over it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hwsweep.sweep import outcome
from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.cluster_node import Finished, Work
from hwsweep.sweep.execution.executor import Ended, Job
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.execution.trial_process import Program
from hwsweep.sweep.settings import Settings

PAUSE = 0.1
"""Seconds between two looks at what runs."""
GRACE = 60.0
"""Seconds a cluster has to end a run; then the sweep ends without it."""


class Placed(Protocol):
    """A run that a cluster was given."""

    def finished(self) -> Finished | None:
        """How it ended; None while it has not, or waits in the cluster's queue."""

    def cancel(self) -> None:
        """Ask it to end, soon; take it out of the queue."""


class Cluster(Protocol):
    """What places runs on machines."""

    environment: dict[str, str]
    """Variables that a run is to find, beside those of its node."""
    cpus_per_trial: int

    def find(self, job: Job) -> Placed | None:
        """The run of this job that an earlier sweep left in the cluster, if it has not ended."""

    def place(self, work: Work) -> Placed:
        """Put the work in the cluster's queue."""

    def close(self) -> None:
        """Let go of the cluster."""


@dataclass
class _Run:
    job: Job
    placed: Placed
    box: Mailbox
    began: float = field(default_factory=time.monotonic)
    give_up_at: float | None = None
    """When a run that was asked to end counts as ended (time.monotonic)."""


class ClusterRuns:
    """An executor that hands up to n_jobs runs at once to a cluster; the folders are on storage that all share."""

    def __init__(self, cluster: Cluster, program: Program, settings: Settings) -> None:
        self.cluster = cluster
        self.program: bytes = pickling.dumps(program)
        self.settings = settings
        self.runs: list[_Run] = []

    @property
    def free(self) -> bool:
        """Whether fewer than n_jobs runs are in the cluster."""
        return len(self.runs) < self.settings.at_once

    @property
    def jobs(self) -> list[Job]:
        """The jobs in the cluster, queued or running."""
        return [run.job for run in self.runs]

    def prepare(self, job: Job) -> None:
        """Do nothing: the node composes."""

    def submit(self, job: Job) -> None:
        """Place the job, unless an earlier sweep has and it goes on."""
        box = Mailbox(Path(job.directory))
        placed = self.cluster.find(job)
        if placed is None:
            box.clear()
            placed = self.cluster.place(self._work(job))
        self.runs.append(_Run(job, placed, box))

    def wait(self, answer: Callable[[Job, tuple[Any, ...]], bool | None], seconds: float) -> list[Ended]:
        """The runs that ended; their outcomes lie in their folders."""
        ended = []
        for run in list(self.runs):
            finished = _finished(run)
            for message in run.box.read():
                if answer(run.job, message):
                    run.box.pruned.touch()
            if finished is not None:
                self.runs.remove(run)
                ended.append(_settled(run, finished))
        if not ended:
            time.sleep(min(seconds, PAUSE))
        return ended

    def stop(self) -> None:
        """Ask every run to end."""
        for run in self.runs:
            if run.give_up_at is None:
                run.give_up_at = time.monotonic() + GRACE
                run.placed.cancel()

    def kill(self) -> None:
        """Ask every run to end, wait for none, and let go of the cluster."""
        self.stop()
        self.runs.clear()
        self.cluster.close()

    def _work(self, job: Job) -> Work:
        return Work(
            program=self.program,
            job=job,
            directory=str(Path.cwd()),
            search_path=[os.path.abspath(path) for path in sys.path],  # noqa: PTH100  # also "", which is here
            environment=self.cluster.environment,
            threads=self.cluster.cpus_per_trial,
            timeout=self.settings.timeout,
            preload=list(self.settings.preload),
        )


def _finished(run: _Run) -> Finished | None:
    """How the run ended; lost, if it was asked to end and the cluster has not said so for GRACE seconds."""
    finished = run.placed.finished()
    if finished is None and run.give_up_at is not None and time.monotonic() > run.give_up_at:
        return lost(run.job)
    return finished


def _settled(run: _Run, finished: Finished) -> Ended:
    """The end of the run, once its outcome can be read here and the mailbox is gone."""
    directory = Path(run.job.directory)
    if finished.outcome is not None and outcome.read_outcome(directory) is None:
        outcome.write_outcome(directory, finished.outcome)
    run.box.clear()
    stopped = finished.ended.stopped if run.give_up_at is None else "stop"
    return finished.ended._replace(job=run.job, stopped=stopped, seconds=time.monotonic() - run.began)


def lost(job: Job) -> Finished:
    """The end of a run whose node is gone: as of a process that was killed from outside, it is started again."""
    return Finished(Ended(job, -9, None, 0.0), None)


def refused(job: Job, why: outcome.Outcome) -> Finished:
    """The end of a run that the cluster itself ended."""
    return Finished(Ended(job, 1, None, 0.0), why)
