"""A Hydra launcher's jobs, each in a process of its own: hydra/launcher=hwsweep, for programs with another sweeper."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from hwsweep import files
from hwsweep.processes import end_with_parent
from hwsweep.sweep.execution import process
from hwsweep.sweep.execution.executor import Ended, Job, how_it_ended
from hwsweep.sweep.execution.process_pool import ProcessPool

RETURNED = "returned.pickle"
log = logging.getLogger(__name__)


class Lost(RuntimeError):
    """What the sweeper gets for a job whose process died, or whose result cannot be carried to it."""


class Batch(NamedTuple):
    """What every process needs to run one of the launcher's jobs."""

    task: TaskFunction
    context: HydraContext
    config: DictConfig
    """Of the sweep."""
    singletons: Any

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration of a job."""
        return self.context.config_loader.load_sweep_config(self.config, overrides)


def launch(
    batch: Batch,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    slots: list[dict[str, str]],
    threads: int,
    timeout: float | None,
    preload: list[str],
) -> list[JobReturn]:
    """What each job returned, in order; a job that failed says so in its own entry."""
    configure_log(batch.config.hydra.hydra_logging, batch.config.hydra.verbose)
    Path(str(batch.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    log.info("Launching %d jobs in %d processes", len(job_overrides), len(slots))
    returned: dict[int, JobReturn] = {}
    with TemporaryDirectory(prefix="hwsweep-") as folder:
        jobs = [Job(n, str(n), f"{folder}/{n}", list(lines), {}) for n, lines in enumerate(job_overrides, first)]
        pool = ProcessPool(main, batch, slots, threads, timeout, preload)
        try:
            for ended in _run(pool, jobs):
                returned[ended.job.trial] = _returned(ended, timeout)
        finally:
            pool.kill()
    return [returned[job.trial] for job in jobs]


def _run(pool: ProcessPool, jobs: list[Job]) -> Iterator[Ended]:
    """The jobs as they end; a free slot gets the next one at once."""
    waiting = deque(jobs)
    while waiting or pool.jobs:
        while waiting and pool.free:
            job = waiting.popleft()
            log.info("\t#%d : %s", job.trial, " ".join(filter_overrides(job.overrides)))
            Path(job.directory).mkdir()
            pool.submit(job)
        if waiting:
            pool.prepare(waiting[0])
        yield from pool.wait(lambda job, message: None, seconds=0.5)


def _returned(ended: Ended, timeout: float | None) -> JobReturn:
    """What the job's process stored; a failure if it did not live to do so."""
    path = Path(ended.job.directory, RETURNED)
    if path.exists():
        stored: JobReturn = pickle.loads(path.read_bytes())  # noqa: S301  # written by a process of ours
        return stored
    return _failed(ended.job, Lost(f"job {ended.job.trial}: {how_it_ended(ended, timeout)}"))


def _failed(job: Job, error: Exception) -> JobReturn:
    return JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)


def main(
    connection: Connection, program: bytes, job: Job, config: bytes | None, environment: dict[str, str], threads: int
) -> None:
    """Run one job in this new process and store what it returned."""
    process.begin()
    end_with_parent()
    os.environ.update(environment)
    batch: Batch = cloudpickle.loads(program)
    process.use_threads(threads)
    try:
        returned = run(batch, job, config)
    except KeyboardInterrupt:  # it was asked to end
        os._exit(130)
    with files.whole(Path(job.directory, RETURNED)) as part:
        part.write_bytes(_portable(returned))
    sys.stdout.flush()
    connection.send(("done",))


def run(batch: Batch, job: Job, prepared: bytes | None) -> JobReturn:
    """The job, run in this process."""
    setup_globals()
    Singleton.set_state(batch.singletons)
    try:
        config = batch.compose(job.overrides) if prepared is None else pickle.loads(prepared)  # noqa: S301
        with open_dict(config.hydra.job):
            config.hydra.job.id = f"{config.hydra.job.name}_{job.trial}"
            config.hydra.job.num = job.trial
        HydraConfig.instance().set_config(config)
        return run_job(
            hydra_context=batch.context,
            task_function=batch.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except Exception as error:  # run_job keeps what the task raises: this is an override that does not compose
        return _failed(job, error)


def _portable(returned: JobReturn) -> bytes:
    """The job's return, pickled; an exception or a value that cannot be unpickled is told in words instead."""
    try:
        pickled: bytes = cloudpickle.dumps(returned)
        pickle.loads(pickled)  # noqa: S301
    except Exception as error:
        value = returned._return_value
        if not isinstance(value, Exception):
            value = f"the returned {type(value).__name__} cannot be pickled: {error}"
            returned.status = JobStatus.FAILED
        returned._return_value = Lost(f"{type(value).__name__}: {value}" if isinstance(value, Exception) else value)
        pickled = cloudpickle.dumps(returned)
    return pickled
