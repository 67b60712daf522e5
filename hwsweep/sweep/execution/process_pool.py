"""Processes: a fresh one per job, in slots, from a fork server that has loaded the heavy modules once."""

from __future__ import annotations

import math
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias

from omegaconf import DictConfig

from hwsweep.processes import kill_group, kill_tree
from hwsweep.sweep.execution import job_process, main_module
from hwsweep.sweep.execution.executor import Answer, Done, Job, JobEnd, StopReason
from hwsweep.sweep.execution.fork_server import has_died, server_pid, start_server
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.execution.trainer_processes import TrainerProcesses
from hwsweep.sweep.ownership.orphans import kill_orphans

GRACE = 10.0
"""Seconds that a process has to end by itself: after its result, or after it was asked to stop."""
TRAINER_OUTPUT = "trainer.log"
"""The file in the study's folder that gets what the processes print that train jobs' models."""
UNKNOWN = 255
"""The exit code that multiprocessing gives to a process whose fork server has died; a program may exit with it too."""

Compose: TypeAlias = Callable[[list[str]], DictConfig]
"""The configuration of a job with these overrides."""


@dataclass
class _Run:
    job: Job
    process: Any
    connection: Connection
    server: int | None
    """The process id of the fork server that started the process."""
    start: float
    kill_at: float
    """When the process is killed unless it has ended (time.monotonic)."""
    stop_reason: StopReason | None = None


class ProcessPool:
    """An executor on this machine. Without `compose`, each job's process composes its configuration itself."""

    def __init__(self, program: bytes, settings: ProcessSettings, compose: Compose | None) -> None:
        self.program = program
        """A pickled JobProgram."""
        self.compose = compose
        self.prepared: tuple[list[str], bytes | None] = [], None
        """The overrides of the next job, and its pickled configuration."""
        self.settings = settings
        self.timeout = math.inf if settings.timeout is None else settings.timeout
        self.runs: dict[int, _Run] = {}
        """By the number of the slot."""
        self.context = start_server(settings.preload, settings.threads)
        trainer, gpus = settings.trainer, settings.trainer_gpus
        self.trainers = None if trainer is None else TrainerProcesses(trainer, gpus)
        self.trainer_output: Path | None = None
        """Known from the first job on."""
        if self.trainers is not None:
            slots = [environment | self.trainers.environment(slot) for slot, environment in enumerate(settings.slots)]
            self.settings = settings._replace(slots=slots)

    @property
    def free(self) -> bool:
        return len(self.runs) < len(self.settings.slots)

    @property
    def jobs(self) -> list[Job]:
        return [run.job for run in self.runs.values()]

    def prepare(self, job: Job) -> None:
        if self.compose is None or self.prepared[0] == job.overrides:
            return
        try:  # composing is half of what an empty trial costs
            config = pickle.dumps(self.compose(job.overrides))
        except Exception:
            config = None  # the job's process meets the same error and stores it
        self.prepared = job.overrides, config

    def submit(self, job: Job) -> None:
        number = next(n for n in range(len(self.settings.slots)) if n not in self.runs)
        self.context = start_server(self.settings.preload, self.settings.threads)  # again, if it has died
        if self.trainers is not None:
            self.trainer_output = Path(job.directory.removesuffix(job.folder), TRAINER_OUTPUT)
        self._start_trainers()
        ours, theirs = self.context.Pipe()
        config = self.prepared[1] if self.prepared[0] == job.overrides else None
        arguments = (theirs, self.program, job, config, number, self.settings)
        process = self.context.Process(target=job_process.main, args=arguments, name=f"trial {job.folder}")
        with main_module.hidden():  # the job's process executes it itself, with the program's own names
            try:
                process.start()
            except (OSError, EOFError):  # the server has just died
                start_server(self.settings.preload, self.settings.threads)
                process.start()
        theirs.close()
        now = time.monotonic()
        self.runs[number] = _Run(job, process, ours, server_pid(), now, now + self.timeout)

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        by_handle: dict[Any, _Run] = {run.process.sentinel: run for run in self.runs.values()}
        by_handle |= {run.connection: run for run in self.runs.values() if not run.connection.closed}
        next_kill = min((run.kill_at for run in self.runs.values()), default=math.inf)
        pause = max(0.0, min(seconds, next_kill - time.monotonic()))
        ready = wait(list(by_handle), timeout=pause) if by_handle else []
        for handle in ready:
            _listen(by_handle[handle], answer)
        self._kill_overdue()
        self._start_trainers()
        return [self._remove(number) for number, run in list(self.runs.items()) if run.process.exitcode is not None]

    def stop_job(self, job: Job) -> None:
        for run in self.runs.values():
            if run.job == job and run.stop_reason is None:
                self._ask_to_end(run, "stop")

    def stop(self) -> None:
        for job in self.jobs:
            self.stop_job(job)

    def kill(self) -> None:
        for run in self.runs.values():
            kill_tree(run.process.pid)
            run.process.join()
            run.connection.close()
        self.runs.clear()
        if self.trainers is not None:
            self.trainers.kill()

    def _start_trainers(self) -> None:
        """Start the processes that train, if there are any; the jobs of one that has died are killed and run again."""
        if self.trainers is None or self.trainer_output is None:
            return
        with main_module.hidden():
            ended = self.trainers.start_missing(self.context, self.trainer_output)
        for slot, run in self.runs.items():
            if self.trainers.number(slot) in ended:
                kill_tree(run.process.pid)

    def _kill_overdue(self) -> None:
        for run in self.runs.values():
            if time.monotonic() < run.kill_at:
                continue
            if run.stop_reason is None and not run.connection.closed:
                self._ask_to_end(run, "timeout")
            else:
                kill_tree(run.process.pid)
                run.kill_at = math.inf

    def _ask_to_end(self, run: _Run, reason: StopReason) -> None:
        """Send SIGINT now; SIGKILL follows after GRACE seconds."""
        run.stop_reason = reason
        run.kill_at = time.monotonic() + GRACE
        with suppress(ProcessLookupError):
            os.kill(run.process.pid, signal.SIGINT)

    def _remove(self, number: int) -> JobEnd:
        run = self.runs.pop(number)
        run.process.join()
        kill_group(run.process.pid)  # the children that it has left
        run.connection.close()
        exit_code = run.process.exitcode
        if exit_code == UNKNOWN and has_died(run.server):  # the job's process itself lives on, or was killed too
            kill_orphans(Path(run.job.directory))
            exit_code = -signal.SIGKILL
        return JobEnd(run.job, exit_code, run.stop_reason, time.monotonic() - run.start)


def _listen(run: _Run, answer: Answer) -> None:
    """Pass on all messages that have come from the run's process."""
    while not run.connection.closed:
        try:
            if not run.connection.poll():
                return
            message = run.connection.recv()
        except (EOFError, OSError):
            run.connection.close()
            return
        if isinstance(message, Done):  # the result is stored; only the end of the interpreter is missing
            run.kill_at = time.monotonic() + GRACE
            run.connection.close()
        elif (reply := answer(run.job, message)) is not None:
            with suppress(OSError):  # it has just ended
                run.connection.send(reply)
