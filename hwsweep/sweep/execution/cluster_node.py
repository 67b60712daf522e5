"""A job on a node of a cluster: in a fresh process of our own pool there, as if the sweep ran on that machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]

from hwsweep.sweep import outcome
from hwsweep.sweep.execution import trial_process
from hwsweep.sweep.execution.executor import Ended, Job
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.execution.process_pool import ProcessPool


class Work(NamedTuple):
    """A job as it is sent to a node, with what it needs there."""

    program: bytes
    """A pickled trial_process.Program."""
    job: Job
    directory: str
    """Where the sweep was started."""
    search_path: list[str]
    """The sweep's sys.path."""
    environment: dict[str, str]
    threads: int
    timeout: float | None
    preload: list[str]


class Finished(NamedTuple):
    """What comes back from a node."""

    ended: Ended
    outcome: outcome.Outcome | None
    """It lies in the run's folder, too; the sweep may not see it there yet."""


def host(work: Work) -> Finished:
    """How the job ended that was run on this node."""
    folder = Path(work.job.directory)
    if (stored := outcome.read_outcome(folder)) is not None:  # it was lost only from sight
        return Finished(Ended(work.job, 0, None, stored.seconds), stored)
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a cluster begun in the background may ignore it
    os.chdir(work.directory)
    sys.path += [path for path in work.search_path if path not in sys.path]
    program: trial_process.Program = cloudpickle.loads(work.program)
    devices = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES",) if name in os.environ}
    slot = {**work.environment, **devices}
    pool = ProcessPool(trial_process.main, program, [slot], work.threads, work.timeout, work.preload)
    try:
        ended = _run(pool, work.job)
    finally:
        pool.kill()
    return Finished(ended, outcome.read_outcome(folder))


def _run(pool: ProcessPool, job: Job) -> Ended:
    """Run the job; the cluster's wish to end it comes as KeyboardInterrupt, and the process may end by itself."""
    box = Mailbox(Path(job.directory))

    def answer(job: Job, message: tuple[Any, ...]) -> bool | None:
        box.post(message)
        return box.pruned.exists() if message[0] == "should_prune" else None

    with _no_main():
        pool.submit(job)
    while True:
        try:
            if done := pool.wait(answer, seconds=0.5):
                return done[0]
        except KeyboardInterrupt:
            pool.stop()


@contextmanager
def _no_main() -> Iterator[None]:
    """A process started inside does not load the program that runs here: the cluster's, which takes Ray a second."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
