"""What runs jobs: the contract of our own processes (pool) and of Hydra's launchers (launcher)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hwsweep.sweep.worker import Job


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
