"""A job on a node of a cluster: it runs there in a process pool of its own, as on the sweep's machine."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hwsweep.sweep.execution.executor import AskedToPrune, Job, JobEnd, Message, StopReason
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.execution.mailbox import Mailbox
from hwsweep.sweep.execution.process_pool import ProcessPool
from hwsweep.sweep.outcome import Outcome, read_outcome


class NodeRequest(NamedTuple):
    """A job as it is sent to a node, with what it needs there."""

    program: bytes
    """A pickled JobProgram."""
    job: Job
    working_directory: str
    """Where the sweep was started."""
    search_path: list[str]
    """The sweep's sys.path."""
    processes: ProcessSettings
    pause: float
    """When the job's last pause was stored, in seconds since 1970; 0 for a job that has not paused."""


class NodeResult(NamedTuple):
    """What a node sends back: how the job's process ended, as in JobEnd, and its outcome."""

    exit_code: int
    stop_reason: StopReason | None
    outcome: Outcome | None
    """Also in the job's folder, where the sweep may not see it yet; None if the job stored none."""


NODE_LOST = NodeResult(-signal.SIGKILL, None, None)
"""The result of a job whose node died: as after SIGKILL, the sweep runs the job again."""


def run_on_node(request: NodeRequest) -> NodeResult:
    """Run the job on this node, unless it has an outcome."""
    directory = Path(request.job.directory)
    stored = read_outcome(directory)  # a network file system may still show that of the pause
    if stored is not None and stored.end_time != request.pause:  # the job ran, but the sweep could not see its end
        return NodeResult(0, None, stored)
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a cluster started in the background may ignore it
    os.chdir(request.working_directory)
    sys.path += [path for path in request.search_path if path not in sys.path]
    devices = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES",) if name in os.environ}
    slots = [{**request.processes.slots[0], **devices}]
    pool = ProcessPool(request.program, request.processes._replace(slots=slots), compose=None)
    try:
        end = _run(pool, request.job)
    finally:
        pool.kill()
    return NodeResult(end.exit_code, end.stop_reason, read_outcome(directory))


def _run(pool: ProcessPool, job: Job) -> JobEnd:
    """Run the job to its end. KeyboardInterrupt, by which a cluster cancels it, stops the job first."""
    mailbox = Mailbox(Path(job.directory))

    def answer(job: Job, message: Message) -> bool | None:
        mailbox.post(message)
        return mailbox.pruned.exists() if isinstance(message, AskedToPrune) else None

    pool.submit(job)
    while True:
        try:
            if ends := pool.wait(answer, seconds=0.5):
                return ends[0]
        except KeyboardInterrupt:
            pool.stop()
