"""What runs jobs: the contract of our own processes (pool) and of Hydra's launchers (launcher)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

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


class Ended(NamedTuple):
    """A process that is gone."""

    job: Job
    exit_code: int
    """As multiprocessing gives it: -9 is SIGKILL."""
    stopped: str | None
    """Why the pool ended it: "timeout" or "stop"; None if it ended by itself."""
    seconds: float


class Executor(Protocol):
    """Runs jobs somewhere: the processes below, or a Hydra launcher."""

    @property
    def free(self) -> bool:
        """Whether a job may be submitted."""

    @property
    def jobs(self) -> list[Job]:
        """What was submitted and has not ended."""

    def prepare(self, job: Job) -> None:
        """Do what can be done ahead for a job that will be submitted soon; called while all that is free is taken."""

    def submit(self, job: Job) -> None:
        """Take the job; its folder exists."""

    def wait(self, answer: Callable[[Job, tuple[Any, ...]], bool | None], seconds: float) -> list[Ended]:
        """The jobs that ended; their outcomes lie in their folders."""

    def stop(self) -> None:
        """Ask all that runs to end."""

    def kill(self) -> None:
        """End all that runs at once."""


def lost(ended: Ended, timeout: float | None) -> outcome.Outcome:
    """The outcome of a run whose process left none."""
    if ended.stopped == "timeout":
        return outcome.failed("timeout", how_it_ended(ended, timeout), ended.seconds)
    return outcome.failed("killed", f"{how_it_ended(ended, timeout)}; see output.log", ended.seconds)


def how_it_ended(ended: Ended, timeout: float | None) -> str:
    """What is known of a process that left no result, in words."""
    if ended.stopped == "timeout":
        return f"not done after {timeout} s"
    code = ended.exit_code
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"the process ended with {how} and no result"
