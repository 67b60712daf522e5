"""Runs go through a Hydra launcher (basic, joblib, submitit) instead of our own processes: batches of n_jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hwsweep.sweep import SweepError, outcome, trial
from hwsweep.sweep.execution.executor import Ended, Job
from hwsweep.sweep.execution.trial_process import Program
from hwsweep.sweep.trial import Value


class StoringTask:
    """The task function as a launcher runs it: the outcome is stored where the run happens.

    What a launcher hands back is not needed: a worker that dies, or an exception that does not unpickle, loses
    the results of its whole batch.
    """

    def __init__(self, task: TaskFunction, study: str, n_objectives: int) -> None:
        self.task = task
        self.params: dict[str, dict[str, Value]] = {}
        """The swept values of each job of the batch, by the job's folder."""
        self.study = study
        self.n_objectives = n_objectives

    def __call__(self, config: DictConfig) -> None:
        """Run the task in the folder that Hydra has made."""
        directory = Path(HydraConfig.get().runtime.output_dir)
        folder = HydraConfig.get().sweep.subdir
        number = int(folder.partition("/")[0])
        trial.enter(trial.Trial(self.study, number, self.params[folder], lambda value, step: None, lambda: False))
        started = time.monotonic()
        try:
            value = self.task(config)
        except Exception as error:
            outcome.write_outcome(directory, outcome.of_error(error, time.monotonic() - started))
        else:
            seconds = time.monotonic() - started
            outcome.write_outcome(directory, outcome.of_value(value, self.n_objectives, seconds))
        finally:
            trial.enter(None)


class LauncherBatches:
    """An executor that fills a batch and hands it to a Hydra launcher."""

    def __init__(self, program: Program, config: DictConfig, n_jobs: int) -> None:
        self.program = program
        self.n_jobs = n_jobs
        self.jobs: list[Job] = []
        snapshot = program.snapshot
        snapshot.place(config)
        self.task = StoringTask(program.task, snapshot.study, program.n_objectives)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=snapshot.loader(), callbacks=program.callbacks),
            task_function=self.task,
            config=config,
        )

    @property
    def free(self) -> bool:
        """Whether the batch has room."""
        return len(self.jobs) < self.n_jobs

    def prepare(self, job: Job) -> None:
        """Do nothing: the launcher composes."""

    def submit(self, job: Job) -> None:
        """Put the job into the next batch."""
        self.jobs.append(job)

    def wait(self, answer: Callable[[Job, tuple[Any, ...]], bool | None], seconds: float) -> list[Ended]:
        """Launch the batch; what ran is known by the outcomes in the folders."""
        jobs, self.jobs = self.jobs, []
        started = time.monotonic()
        trouble = self._launch(jobs)
        if trouble is not None and len(jobs) > 1:
            # one run took the whole batch with it: those without an outcome go again, each alone
            for job in jobs:
                if outcome.read_outcome(Path(job.directory)) is None:
                    self._launch([job])
        return [Ended(job, 0, None, time.monotonic() - started) for job in jobs]

    def _launch(self, jobs: list[Job]) -> str | None:
        """What the launcher raised, if anything; a job alone then gets it as its outcome."""
        started = time.monotonic()
        self.task.params = {job.folder: job.params for job in jobs}
        try:
            self.launcher.launch([self._overrides(job) for job in jobs], initial_job_idx=jobs[0].trial)
        except Exception as error:
            trouble = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
            if len(jobs) == 1 and outcome.read_outcome(Path(jobs[0].directory)) is None:
                seconds = time.monotonic() - started
                lost = outcome.failed("killed", f"the launcher gave no result: {trouble}", seconds)
                outcome.write_outcome(Path(jobs[0].directory), lost)
            return trouble
        return None

    def stop(self) -> None:
        """Launch nothing more; a batch that runs ends by itself."""
        self.jobs.clear()

    def kill(self) -> None:
        """The launcher owns its processes."""

    def _overrides(self, job: Job) -> list[str]:
        snapshot = self.program.snapshot
        return [
            *job.overrides,
            f"hydra.sweep.dir='{snapshot.directory}'",
            f"hydra.sweep.subdir='{job.folder}'",
            f"hydra.sweeper.study_name='{snapshot.study}'",
        ]


def chosen(config: DictConfig) -> bool:
    """Whether the user asked for another launcher; Hydra's default, basic, counts only if it was written.

    Raises:
        SweepError: our own launcher is asked for, which the sweeper is already, and given settings of its own.
    """
    choice = config.hydra.runtime.choices.get("hydra/launcher")
    overrides = config.hydra.overrides.hydra
    if choice == "hwsweep":
        if told := [line for line in overrides if line.lstrip("+").startswith("hydra.launcher.")]:
            raise SweepError(f"the sweeper runs its own processes and ignores {told[0]}; see hydra.sweeper.n_jobs")
        return False
    written = any(line.startswith("hydra/launcher=") for line in overrides)
    return written or choice not in (None, "basic")
