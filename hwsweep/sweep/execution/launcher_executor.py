"""Jobs that a Hydra launcher runs (basic, joblib, submitit) instead of our own processes: in batches of n_jobs."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hwsweep.sweep import outcome, trial
from hwsweep.sweep.config_snapshot import mask_run_config
from hwsweep.sweep.execution.executor import Answer, Job, JobEnd
from hwsweep.sweep.execution.trial_process import TrialProgram
from hwsweep.sweep.trial import Value


class StoringTask:
    """The task function as a launcher runs it: it stores the outcome where it runs.

    The values that a launcher returns are not used, because a worker that dies, or an exception that cannot be
    unpickled, loses those of its whole batch.
    """

    def __init__(self, task: TaskFunction, study: str, n_objectives: int) -> None:
        self.task = task
        self.params: dict[str, dict[str, Value]] = {}
        """The swept values of each job of the batch, by the job's folder."""
        self.study = study
        self.n_objectives = n_objectives

    def __call__(self, config: DictConfig) -> None:
        """Run the task in the folder that Hydra has made."""
        mask_run_config()
        folder = HydraConfig.get().sweep.subdir
        number = int(folder.partition("/")[0])
        constraints, params = trial.Constraints(), self.params[folder]
        trial.set_current(
            trial.Trial(self.study, number, params, lambda value, step: None, lambda: False, constraints.set)
        )
        try:
            result = outcome.from_call(partial(self.task, config), self.n_objectives)
            result = result._replace(constraints=constraints.values)
            outcome.write_outcome(Path(HydraConfig.get().runtime.output_dir), result)
        finally:
            trial.set_current(None)


class LauncherExecutor:
    """An executor that collects a batch of jobs and gives it to a Hydra launcher."""

    def __init__(self, program: TrialProgram, config: DictConfig, n_jobs: int) -> None:
        self.program = program
        self.n_jobs = n_jobs
        self.jobs: list[Job] = []
        snapshot = program.snapshot
        snapshot.set_study(config)
        self.task = StoringTask(program.task, snapshot.study, program.n_objectives)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=snapshot.loader(), callbacks=program.callbacks),
            task_function=self.task,
            config=config,
        )

    @property
    def free(self) -> bool:
        return len(self.jobs) < self.n_jobs

    def prepare(self, job: Job) -> None:
        pass  # the launcher composes the configuration

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        jobs, self.jobs = self.jobs, []
        start = time.monotonic()
        if not self._launch(jobs) and len(jobs) > 1:  # one job may have ended the whole batch
            for job in jobs:
                if outcome.read_outcome(Path(job.directory)) is None:
                    self._launch([job])
        return [JobEnd(job, 0, None, time.monotonic() - start) for job in jobs]

    def _launch(self, jobs: list[Job]) -> bool:
        """Whether the launcher returned. If it raised for a single job, that becomes the outcome of the job."""
        start = time.monotonic()
        self.task.params = {job.folder: job.params for job in jobs}
        snapshot = self.program.snapshot
        study = [f"hydra.sweep.dir='{snapshot.directory}'", f"hydra.sweeper.study_name='{snapshot.study}'"]
        overrides = [[*job.overrides, *study, f"hydra.sweep.subdir='{job.folder}'"] for job in jobs]
        try:
            self.launcher.launch(overrides, initial_job_idx=jobs[0].trial)
        except Exception as error:
            if len(jobs) == 1 and outcome.read_outcome(Path(jobs[0].directory)) is None:
                reason = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
                message = f"the launcher gave no result: {reason}"
                result = outcome.from_failure("killed", message, time.monotonic() - start)
                outcome.write_outcome(Path(jobs[0].directory), result)
            return False
        return True

    def stop_job(self, job: Job) -> None:
        pass  # a batch that runs ends by itself

    def stop(self) -> None:
        self.jobs.clear()  # a batch that runs ends by itself

    def kill(self) -> None:
        pass  # the launcher owns its processes
