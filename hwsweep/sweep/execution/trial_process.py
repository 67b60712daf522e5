"""A trial's own process: compose, run the task, store the outcome. The fork server imports this module once."""

from __future__ import annotations

import os
import pickle
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep import files, run_folder
from hwsweep.processes import end_with_parent, this_process
from hwsweep.sweep import outcome, trial
from hwsweep.sweep.config_snapshot import Snapshot
from hwsweep.sweep.execution import process
from hwsweep.sweep.execution.executor import Job


class Program(NamedTuple):
    """What every process of a sweep needs to run a job."""

    task: TaskFunction
    snapshot: Snapshot
    singletons: Any
    callbacks: Any
    cache: dict[str, Any]
    """OmegaConf's cache of the parent: `${now:}` is the same everywhere."""
    n_objectives: int

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration of a run, as it was at launch."""
        return self.snapshot.compose(overrides)


def main(
    connection: Connection, program: bytes, job: Job, config: bytes | None, environment: dict[str, str], threads: int
) -> None:
    """Run one job, with its pickled configuration if there is one, to its outcome; end when the sweep does."""
    process.begin()
    directory = Path(job.directory)
    _redirect_output(directory / run_folder.OUTPUT)
    # In this order: whoever resumes the study either reads this file or was preceded by the parent's death.
    files.write_json(directory / run_folder.PROCESS, {"process": this_process()})
    end_with_parent()
    os.environ.update(environment)
    loaded: Program = cloudpickle.loads(program)
    process.use_threads(threads)
    trial.enter(_trial(loaded.snapshot.study, job, connection))
    try:
        ended = run(loaded, job, config)
    except KeyboardInterrupt:  # the sweep stops: no outcome, the trial is queued again
        os._exit(130)
    if ended.failure is not None:
        print(ended.failure.traceback or ended.failure.message, file=sys.stderr, flush=True)
    outcome.write_outcome(directory, ended)
    connection.send(("done",))


def run(program: Program, job: Job, prepared: bytes | None) -> outcome.Outcome:
    """The outcome of the job, run in this process."""
    started = time.monotonic()
    try:
        setup_globals()
        Singleton.set_state(program.singletons)
        # written by the sweep itself, through its own pipe
        config = program.compose(job.overrides) if prepared is None else pickle.loads(prepared)  # noqa: S301
        place(config, program, job)
        context = HydraContext(config_loader=program.snapshot.loader(), callbacks=program.callbacks)
        returned = run_job(
            task_function=program.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=context,
        )
        value = returned._return_value
    except Exception as error:
        value = error
    seconds = time.monotonic() - started
    if isinstance(value, Exception):
        return outcome.of_error(value, seconds)
    return outcome.of_value(value, program.n_objectives, seconds)


def place(config: DictConfig, program: Program, job: Job) -> None:
    """Fill in Hydra's numbers and folders, and make the configuration that of this process."""
    OmegaConf.set_cache(config, program.cache)
    with flag_override(config.hydra, ["readonly", "struct"], False):
        config.hydra.job.id = config.hydra.job.num = job.trial
        config.hydra.sweep.subdir = job.folder
    HydraConfig.instance().set_config(config)


def _redirect_output(path: Path) -> None:
    """Send what this process prints, in any language, to the end of the run's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _trial(study: str, job: Job, connection: Connection) -> trial.Trial:
    """The trial's side of the conversation with the sweep."""

    def report(value: float, step: int) -> None:
        connection.send(("report", float(value), int(step)))

    def should_prune() -> bool:
        connection.send(("should_prune",))
        return bool(connection.recv())

    return trial.Trial(study, job.trial, job.params, report, should_prune)
