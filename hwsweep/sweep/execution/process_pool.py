"""Processes: a fresh one per run, in slots, from a fork server that has loaded the heavy modules once."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from omegaconf import DictConfig

from hwsweep.processes import kill_group, kill_tree
from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.executor import Ended, Job
from hwsweep.sweep.execution.fork_server import start_server

GRACE = 10.0
"""Seconds a process has to end by itself: after its outcome, or after it was asked to stop."""


@dataclass
class _Slot:
    """A running process."""

    job: Job
    process: Any
    connection: Connection
    started: float
    kill_at: float
    """When it is killed unless it is gone (time.monotonic)."""
    stopped: str | None = None
    closed: bool = False


class Composes(Protocol):
    """What every process of a pool needs to run a job, and that much is known of it here."""

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration of a job."""


class ProcessPool:
    """An executor on this machine.

    Args:
        main: what a process calls: worker.main for trials, jobs.main for a launcher's jobs.
        program: what every process needs to run a job.
        environment: environment variables of each slot.
        threads: how many threads a process may compute with.
        timeout: seconds a run may take; None for no limit.
        preload: modules that the fork server imports before the first run.
    """

    def __init__(
        self,
        main: Callable[..., None],
        program: Composes,
        environment: list[dict[str, str]],
        threads: int,
        timeout: float | None,
        preload: list[str],
    ) -> None:
        self.main = main
        self.compose = program.compose
        self.program: bytes = pickling.dumps(program)
        self.prepared: tuple[list[str], bytes | None] = [], None
        """The overrides of the next job, and the configuration that they compose to."""
        self.environment = environment
        self.threads = threads
        self.timeout = timeout
        self.slots: dict[int, _Slot] = {}
        self.context = start_server(preload, threads)

    @property
    def free(self) -> bool:
        """Whether a slot waits for a job."""
        return len(self.slots) < len(self.environment)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that run now."""
        return [slot.job for slot in self.slots.values()]

    def prepare(self, job: Job) -> None:
        """Compose the job's configuration while the slots are busy; that is half of what a trial costs."""
        if self.prepared[0] == job.overrides:
            return
        try:
            composed = pickle.dumps(self.compose(job.overrides))
        except Exception:
            composed = None  # the trial will find out, and say so
        self.prepared = job.overrides, composed

    def submit(self, job: Job) -> None:
        """Start the job in a free slot."""
        number = next(n for n in range(len(self.environment)) if n not in self.slots)
        ours, theirs = self.context.Pipe()
        config = self.prepared[1] if self.prepared[0] == job.overrides else None
        arguments = (theirs, self.program, job, config, self.environment[number], self.threads)
        process = self.context.Process(target=self.main, args=arguments, name=f"trial {job.folder}")
        process.start()
        theirs.close()
        now = time.monotonic()
        limit = now + (float("inf") if self.timeout is None else self.timeout)
        self.slots[number] = _Slot(job, process, ours, now, limit)

    def wait(self, answer: Callable[[Job, tuple[Any, ...]], bool | None], seconds: float) -> list[Ended]:
        """The processes that ended; returns when one did, when a message came, or after some seconds.

        Args:
            answer: gets each message of a running trial; what it returns, unless None, is sent back.
        """
        by_handle: dict[Any, _Slot] = {}
        for slot in self.slots.values():
            by_handle[slot.process.sentinel] = slot
            if not slot.closed:
                by_handle[slot.connection] = slot
        nearest = min((slot.kill_at for slot in self.slots.values()), default=float("inf"))
        pause = max(0.0, min(seconds, nearest - time.monotonic()))
        ready = wait(list(by_handle), timeout=pause) if by_handle else []
        for handle in ready:
            _listen(by_handle[handle], answer)
        self._kill_overdue()
        return [self._remove(number) for number, slot in list(self.slots.items()) if slot.process.exitcode is not None]

    def stop(self) -> None:
        """Ask every process to end: SIGINT now, SIGKILL after GRACE seconds."""
        for slot in self.slots.values():
            if slot.stopped is None:
                self._ask_to_end(slot, "stop")

    def kill(self) -> None:
        """End every process at once."""
        for slot in self.slots.values():
            kill_tree(slot.process.pid)
            slot.process.join()
            slot.connection.close()
        self.slots.clear()

    def _kill_overdue(self) -> None:
        for slot in self.slots.values():
            if time.monotonic() < slot.kill_at:
                continue
            if slot.stopped is None and not slot.closed:
                self._ask_to_end(slot, "timeout")
            else:
                kill_tree(slot.process.pid)
                slot.kill_at = float("inf")

    def _ask_to_end(self, slot: _Slot, reason: str) -> None:
        slot.stopped = reason
        slot.kill_at = time.monotonic() + GRACE
        with suppress(ProcessLookupError):
            os.kill(slot.process.pid, signal.SIGINT)

    def _remove(self, number: int) -> Ended:
        slot = self.slots.pop(number)
        slot.process.join()
        kill_group(slot.process.pid)  # children that outlived it
        slot.connection.close()
        return Ended(slot.job, slot.process.exitcode, slot.stopped, time.monotonic() - slot.started)


def _listen(slot: _Slot, answer: Callable[[Job, tuple[Any, ...]], bool | None]) -> None:
    """Pass on all messages that have come from the slot's process."""
    try:
        while not slot.closed and slot.connection.poll():
            message = slot.connection.recv()
            if message[0] == "done":  # the outcome is safe; only the interpreter's end is missing
                slot.kill_at = time.monotonic() + GRACE
                slot.closed = True
            elif (reply := answer(slot.job, message)) is not None:
                slot.connection.send(reply)
    except (EOFError, OSError):
        slot.closed = True
