"""Processes: a fresh one per job, in slots, from a fork server that has loaded the heavy modules once."""

from __future__ import annotations

import math
import os
import pickle
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from hwsweep.processes import kill_group, kill_tree
from hwsweep.sweep.execution import job_process, pickling
from hwsweep.sweep.execution.executor import Answer, Done, Job, JobEnd, StopReason
from hwsweep.sweep.execution.fork_server import start_server
from hwsweep.sweep.execution.job_process import JobProgram, ProcessSettings

GRACE = 10.0
"""Seconds that a process has to end by itself: after its result, or after it was asked to stop."""


@dataclass
class _Slot:
    """A running process."""

    job: Job
    process: Any
    connection: Connection
    start: float
    kill_at: float
    """When the process is killed unless it has ended (time.monotonic)."""
    stop_reason: StopReason | None = None


class ProcessPool:
    """An executor on this machine."""

    def __init__(self, program: JobProgram, settings: ProcessSettings) -> None:
        self.compose = program.compose
        self.program: bytes = pickling.dumps(program)
        self.prepared: tuple[list[str], bytes | None] = [], None
        """The overrides of the next job, and its pickled configuration."""
        self.settings = settings
        self.timeout = math.inf if settings.timeout is None else settings.timeout
        self.slots: dict[int, _Slot] = {}
        self.context = start_server(settings.preload, settings.threads)

    @property
    def free(self) -> bool:
        return len(self.slots) < len(self.settings.slots)

    @property
    def jobs(self) -> list[Job]:
        return [slot.job for slot in self.slots.values()]

    def prepare(self, job: Job) -> None:
        if self.prepared[0] == job.overrides:
            return
        try:  # composing is half of what an empty trial costs
            config = pickle.dumps(self.compose(job.overrides))
        except Exception:
            config = None  # the job's process meets the same error and stores it
        self.prepared = job.overrides, config

    def submit(self, job: Job) -> None:
        number = next(n for n in range(len(self.settings.slots)) if n not in self.slots)
        ours, theirs = self.context.Pipe()
        config = self.prepared[1] if self.prepared[0] == job.overrides else None
        arguments = (theirs, self.program, job, config, number, self.settings)
        process = self.context.Process(target=job_process.main, args=arguments, name=f"trial {job.folder}")
        process.start()
        theirs.close()
        now = time.monotonic()
        self.slots[number] = _Slot(job, process, ours, now, now + self.timeout)

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        by_handle: dict[Any, _Slot] = {slot.process.sentinel: slot for slot in self.slots.values()}
        by_handle |= {slot.connection: slot for slot in self.slots.values() if not slot.connection.closed}
        next_kill = min((slot.kill_at for slot in self.slots.values()), default=math.inf)
        pause = max(0.0, min(seconds, next_kill - time.monotonic()))
        ready = wait(list(by_handle), timeout=pause) if by_handle else []
        for handle in ready:
            _listen(by_handle[handle], answer)
        self._kill_overdue()
        return [self._remove(number) for number, slot in list(self.slots.items()) if slot.process.exitcode is not None]

    def stop(self) -> None:
        for slot in self.slots.values():
            if slot.stop_reason is None:
                self._ask_to_end(slot, "stop")

    def kill(self) -> None:
        for slot in self.slots.values():
            kill_tree(slot.process.pid)
            slot.process.join()
            slot.connection.close()
        self.slots.clear()

    def _kill_overdue(self) -> None:
        for slot in self.slots.values():
            if time.monotonic() < slot.kill_at:
                continue
            if slot.stop_reason is None and not slot.connection.closed:
                self._ask_to_end(slot, "timeout")
            else:
                kill_tree(slot.process.pid)
                slot.kill_at = math.inf

    def _ask_to_end(self, slot: _Slot, reason: StopReason) -> None:
        """Send SIGINT now; SIGKILL follows after GRACE seconds."""
        slot.stop_reason = reason
        slot.kill_at = time.monotonic() + GRACE
        with suppress(ProcessLookupError):
            os.kill(slot.process.pid, signal.SIGINT)

    def _remove(self, number: int) -> JobEnd:
        slot = self.slots.pop(number)
        slot.process.join()
        kill_group(slot.process.pid)  # the children that it has left
        slot.connection.close()
        return JobEnd(slot.job, slot.process.exitcode, slot.stop_reason, time.monotonic() - slot.start)


def _listen(slot: _Slot, answer: Answer) -> None:
    """Pass on all messages that have come from the slot's process."""
    try:
        while not slot.connection.closed and slot.connection.poll():
            message = slot.connection.recv()
            if isinstance(message, Done):  # the result is stored; only the end of the interpreter is missing
                slot.kill_at = time.monotonic() + GRACE
                slot.connection.close()
            elif (reply := answer(slot.job, message)) is not None:
                slot.connection.send(reply)
    except (EOFError, OSError):
        slot.connection.close()
