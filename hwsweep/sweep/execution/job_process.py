"""A job's own process: its start, its output, its end. The fork server imports this module once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from omegaconf import DictConfig

from hwsweep.processes import end_with_parent
from hwsweep.signals import SignalRecord, die_of, let_through
from hwsweep.startup import restore_gc_threshold
from hwsweep.sweep import outcome
from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.executor import Done, Job
from hwsweep.sweep.ownership.orphans import record_process


class JobProgram(Protocol):
    """What a process needs to run any job of a sweep. It is pickled and sent to the process."""

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration of a job with these overrides."""

    def run(self, job: Job, config: bytes | None, connection: Connection) -> Any:
        """The result of the job, which runs in this process.

        Args:
            config: the pickled configuration of the job; None to compose it here.
            connection: takes messages to the sweep and gives its answers.
        """

    def store(self, job: Job, result: Any) -> None:
        """Store the result in the job's folder."""


class ProcessSettings(NamedTuple):
    """How jobs run on one machine."""

    slots: list[dict[str, str]]
    """The environment variables of each slot; a slot runs one job at a time."""
    threads: int
    """How many threads a job's process may compute with."""
    timeout: float | None
    """Seconds that a job may take; None for no limit."""
    preload: list[str]
    """Modules that the fork server imports before the first job."""
    output: str | None
    """The file in the job's folder that gets what its process prints; None for the sweep's own output."""
    trainer: str | None = None
    """The dotted path of a function that trains the jobs' models, in a process for each GPU; None: each trains its own.

    It is called with the path of a socket; a job finds it in the environment (`processes.TRAINER`).
    """
    trainer_gpus: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES names them; none: one process trains, without a GPU."""


def main(
    connection: Connection, program: bytes, job: Job, config: bytes | None, slot: int, settings: ProcessSettings
) -> None:
    """Run one job in this new process, with the environment variables of its slot.

    A job that a signal asks to end has no result, whatever its program makes of the signal: it is run again.
    """
    signals, number = SignalRecord(), int(signal.SIGINT)
    with suppress(KeyboardInterrupt):
        become_independent()
        atexit._clear()  # those of the fork server
        try:
            loaded = _load(program, job, slot, settings)
        except (Exception, SystemExit) as error:  # of the program's own script, which runs again here
            traceback.print_exc()
            outcome.write_outcome(Path(job.directory), outcome.from_error(error, 0.0))
            return
        result = loaded.run(job, config, connection)
        if (number := signals.first() or 0) == 0:
            loaded.store(job, result)
            _run_exit_handlers()
            sys.stdout.flush()
            connection.send(Done())
            return
    die_of(number)


def _load(program: bytes, job: Job, slot: int, settings: ProcessSettings) -> JobProgram:
    """The program, in a process that now has the output, the environment and the threads of the job."""
    if settings.output is not None:
        redirect_output(Path(job.directory, settings.output))
    # In this order: if the sweep dies in between, the next sweep finds the record, or this process ends by itself.
    record_process(Path(job.directory))
    end_with_parent()
    os.environ.update(settings.slots[slot])
    loaded: JobProgram = pickling.loads(program)
    if "torch" in sys.modules:  # the fork server has loaded it, with its own number of threads
        sys.modules["torch"].set_num_threads(settings.threads)
    return loaded


def _run_exit_handlers() -> None:
    """Run what the task has registered with `atexit`: before Python 3.14 multiprocessing ends without it."""
    with suppress(Exception):  # the handler's traceback is printed
        atexit._run_exitfuncs()


def become_independent() -> None:
    """Leave the sweep's terminal session, and restore the signals and the garbage collector of a new process."""
    restore_gc_threshold()  # without the objects of the fork server: a collection of them takes 200 ms
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C goes to the sweep alone, which then stops its jobs
    let_through()


def redirect_output(path: Path) -> None:
    """Append to the file what this process prints, also from C libraries."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
