"""The contract of what runs jobs, and the messages between a job's process and the sweep."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, TypeAlias

from hwsweep.sweep import outcome
from hwsweep.sweep.trial import Value


class Job(NamedTuple):
    """One run: a trial, or one seed of it."""

    trial: int
    folder: str
    """Inside the study's folder: `7`, or `7/seed_1`."""
    directory: str
    """The same, absolute."""
    overrides: list[str]
    params: dict[str, Value]
    """The swept values, and the seed if the trial is repeated with several."""
    origin: str = ""
    """How a user has added the trial; empty for any other."""


class Reported(NamedTuple):
    """Message of a job: an intermediate value of its objective."""

    value: float
    step: int


class AskedToPrune(NamedTuple):
    """Message of a job: it asks whether to end. The answer is True or False."""


class Done(NamedTuple):
    """Last message of a job's process: the result is stored."""


Message: TypeAlias = "Reported | AskedToPrune"
Answer: TypeAlias = Callable[[Job, Message], "bool | None"]
"""Is called with each message of a running job; what it returns, unless None, is sent back to the job."""


StopReason: TypeAlias = Literal["timeout", "stop"]


class JobEnd(NamedTuple):
    """How a job's process ended."""

    job: Job
    exit_code: int
    """As multiprocessing gives it: -9 is SIGKILL."""
    stop_reason: StopReason | None
    """Why the executor ended it; None if it ended by itself or was killed from outside."""
    seconds: float


class Executor(Protocol):
    """Runs jobs: in processes of this machine, on a cluster, or through a Hydra launcher."""

    @property
    def free(self) -> bool:
        """Whether `submit` may be called."""

    @property
    def jobs(self) -> list[Job]:
        """The jobs that were submitted and that `wait` has not returned yet."""

    def prepare(self, job: Job) -> None:
        """Do ahead what this job will need, such as composing its config. Called while the executor is not free.

        `submit` also works for a job that was never prepared.
        """

    def submit(self, job: Job) -> None:
        """Start the job or put it in a queue. Its folder exists, and the executor is free."""

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        """The jobs that have ended since the last call; their outcomes lie in their folders.

        Returns as soon as a job ends, and otherwise after at most this many seconds, often with an empty list.
        """

    def stop_job(self, job: Job) -> None:
        """Ask this job to end. `wait` still returns it."""

    def stop(self) -> None:
        """Ask all jobs to end. `wait` still returns each of them."""

    def kill(self) -> None:
        """End all jobs now, wait for none, and release everything that the executor holds."""


def missing_outcome(end: JobEnd, timeout: float | None) -> outcome.Outcome:
    """The outcome of a job whose process stored none; one that a user has stopped counts as pruned."""
    if end.stop_reason == "stop":
        return outcome.Outcome("pruned", [], None, end.seconds)
    if end.stop_reason == "timeout":
        return outcome.from_failure("timeout", describe(end, timeout), end.seconds)
    return outcome.from_failure("killed", f"{describe(end, timeout)}; see output.log", end.seconds)


def describe(end: JobEnd, timeout: float | None) -> str:
    """How a process ended that stored no result, in words."""
    if end.stop_reason == "timeout":
        return f"not done after {timeout} s"
    code = end.exit_code
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"the process ended with {how} and no result"
