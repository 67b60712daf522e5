"""hydra/launcher=hwsweep, for programs with another sweeper: each job of a Hydra launcher in a process of its own."""

from __future__ import annotations

import logging
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from hwsweep import files
from hwsweep.sweep.config_snapshot import mask_files, mask_run_config
from hwsweep.sweep.execution import pickling
from hwsweep.sweep.execution.executor import Job, JobEnd, describe
from hwsweep.sweep.execution.job_process import ProcessSettings
from hwsweep.sweep.execution.process_pool import ProcessPool
from hwsweep.sweep.outcome import exit_message, read_outcome

JOB_RETURN = "job_return.pickle"
"""The file in a job's temporary folder."""
log = logging.getLogger(__name__)


class JobError(RuntimeError):
    """The sweeper gets it for a job whose process died, or whose result cannot be pickled."""


class LauncherProgram(NamedTuple):
    """The program of a launcher's jobs."""

    task: TaskFunction
    context: HydraContext
    config: DictConfig
    """Of the sweep."""
    singletons: Any

    def compose(self, overrides: list[str]) -> DictConfig:
        return self.context.config_loader.load_sweep_config(self.config, overrides)

    def run(self, job: Job, config: bytes | None, connection: Connection) -> bytes:
        return _pickled(self._job_return(job, config))

    def store(self, job: Job, result: bytes) -> None:
        with files.whole(Path(job.directory, JOB_RETURN)) as part:
            part.write_bytes(result)

    def _job_return(self, job: Job, pickled: bytes | None) -> JobReturn:
        setup_globals()
        Singleton.set_state(self.singletons)
        try:
            config = self.compose(job.overrides) if pickled is None else pickle.loads(pickled)  # noqa: S301
            with open_dict(config.hydra.job):
                config.hydra.job.id = f"{config.hydra.job.name}_{job.trial}"
                config.hydra.job.num = job.trial
            return run_job(self._task, config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=self.context)
        except Exception as error:  # an override that does not compose; run_job itself stores what the task raises
            return _failed(job.overrides, error)
        except SystemExit as error:
            return _failed(job.overrides, JobError(f"job {job.trial}: {exit_message(error)}"))

    def _task(self, config: DictConfig) -> Any:
        mask_run_config()
        return self.task(config)


def launch(
    program: LauncherProgram, processes: ProcessSettings, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Hydra's record of each job, in order; that of a failed job holds its error.

    Args:
        first: the number of the first job.
    """
    configure_log(program.config.hydra.hydra_logging, program.config.hydra.verbose)
    folder_of_sweep = Path(str(program.config.hydra.sweep.dir))
    folder_of_sweep.mkdir(parents=True, exist_ok=True)
    mask_files(folder_of_sweep)  # Hydra's sweeper has written multirun.yaml
    log.info("Launching %d jobs in %d processes", len(job_overrides), len(processes.slots))
    with TemporaryDirectory(prefix="hwsweep-") as folder:
        jobs = [Job(n, str(n), f"{folder}/{n}", list(lines), {}) for n, lines in enumerate(job_overrides, first)]
        pool = ProcessPool(pickling.dumps(program), processes, program.compose)
        try:
            returns = {end.job.trial: _read_return(end, processes.timeout) for end in _run(pool, jobs)}
        finally:
            pool.kill()
    return [returns[job.trial] for job in jobs]


def _run(pool: ProcessPool, jobs: list[Job]) -> Iterator[JobEnd]:
    """Run all jobs and give each as it ends; a free slot gets the next one at once."""
    waiting = deque(jobs)
    while waiting or pool.jobs:
        while waiting and pool.free:
            job = waiting.popleft()
            log.info("\t#%d : %s", job.trial, files.without_passwords(" ".join(filter_overrides(job.overrides))))
            Path(job.directory).mkdir()
            pool.submit(job)
        if waiting:
            pool.prepare(waiting[0])
        yield from pool.wait(lambda job, message: None, seconds=0.5)


def _read_return(end: JobEnd, timeout: float | None) -> JobReturn:
    """The record that the job's process stored; a failure if it stored none."""
    path = Path(end.job.directory, JOB_RETURN)
    if not path.exists():
        stored = read_outcome(path.parent)  # there is one where the program's script raised when it ran again
        why = stored.failure.message if stored and stored.failure else describe(end, timeout)
        return _failed(end.job.overrides, JobError(f"job {end.job.trial}: {why}"))
    job_return: JobReturn = pickle.loads(path.read_bytes())  # noqa: S301  # a process of ours wrote it
    return job_return


def _pickled(job_return: JobReturn) -> bytes:
    """The record of a job; an error or a value that cannot be pickled and read again is replaced by a JobError."""
    try:
        pickled = pickling.dumps_result(job_return)
        pickle.loads(pickled)  # noqa: S301
        return pickled
    except Exception as error:
        try:
            message = f"the returned {type(job_return.return_value).__name__} cannot be pickled: {error}"
        except Exception as failure:
            message = f"{type(failure).__name__}: {failure}"
        job_return.return_value = JobError(message)
        job_return.status = JobStatus.FAILED
        return pickling.dumps_result(job_return)


def _failed(overrides: list[str], error: Exception) -> JobReturn:
    job_return = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    job_return.return_value = error
    return job_return
