"""Trials on a Slurm cluster, each a job of submitit's: hydra/launcher=hwsweep_slurm."""

from __future__ import annotations

import pickle
import shutil
import signal
from pathlib import Path
from typing import Any, NamedTuple

from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.execution.cluster_executor import lost, refused
from hwsweep.sweep.execution.cluster_node import Finished, Work, host
from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.execution.fork_server import start_server

REASONS = {"OUT_OF_MEMORY": "out-of-memory", "TIMEOUT": "timeout", "DEADLINE": "timeout"}
"""States in which Slurm leaves a job that it ended for good; any other counts as a lost node."""


class SlurmSettings(NamedTuple):
    """conf/hydra/launcher/hwsweep_slurm.yaml explains each."""

    cluster: str
    partition: str | None
    cpus_per_trial: int
    memory_gb: float | None
    minutes: int
    max_timeouts: int
    signal_seconds: int
    options: dict[str, Any]


class SlurmCluster:
    """Slurm, or processes of this machine that submitit treats alike (cluster=local)."""

    def __init__(self, settings: SlurmSettings, gpus_per_trial: float | None, study: str) -> None:
        if settings.cluster not in ("slurm", "local"):
            raise SweepError(f"hydra.launcher.cluster must be slurm or local, but got {settings.cluster}")
        if settings.cluster == "slurm" and shutil.which("srun") is None:
            raise SweepError(
                "this machine has no srun; start the sweep where Slurm is, or set hydra.launcher.cluster=local"
            )
        if gpus_per_trial is not None and gpus_per_trial != int(gpus_per_trial):
            raise SweepError(f"Slurm gives whole GPUs, but got gpus_per_trial={gpus_per_trial}")
        self.settings = settings
        self.gpus = int(gpus_per_trial or 0)
        self.study = study
        self.cpus_per_trial = settings.cpus_per_trial
        self.environment: dict[str, str] = {}  # sbatch passes on the sweep's own

    def find(self, job: Job) -> SlurmJob | None:
        """The Slurm job that an earlier sweep left in the run's folder and that has not ended."""
        if not (left := _left(job)).exists():
            return None
        placed = pickle.loads(left.read_bytes())  # noqa: S301  # written below
        return None if placed.done(force_check=True) else SlurmJob(job, placed)

    def place(self, work: Work) -> SlurmJob:
        """Put the work in Slurm's queue."""
        placed = self._executor(work.job).submit(Requeued(), work)
        _left(work.job).write_bytes(pickle.dumps(placed))
        return SlurmJob(work.job, placed)

    def close(self) -> None:
        """Do nothing: Slurm needs no connection."""

    def _executor(self, job: Job) -> Any:
        """submitit's executor, with its logs in the run's folder."""
        import submitit

        wanted = self.settings
        timeouts = {f"{wanted.cluster}_max_num_timeout": wanted.max_timeouts}
        executor = submitit.AutoExecutor(_folder(job), cluster=wanted.cluster, **timeouts)
        executor.update_parameters(
            name=f"{self.study}/{job.folder}",
            timeout_min=wanted.minutes,
            mem_gb=wanted.memory_gb,
            cpus_per_task=wanted.cpus_per_trial,
            gpus_per_node=self.gpus or None,
            slurm_partition=wanted.partition,
            slurm_signal_delay_s=wanted.signal_seconds,
            slurm_additional_parameters=wanted.options,
        )
        return executor


class Requeued:
    """`host` for submitit: preempted, or at its time limit, the job is queued again and goes on from its checkpoint."""

    def __call__(self, work: Work) -> Finished:
        """How the job ended, as `host` says it."""
        # Slurm sends its signal to the trial's processes as well; they inherit from their server that it is ignored
        usual = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        start_server(work.preload, work.threads)
        signal.signal(signal.SIGUSR2, usual)
        return host(work)

    def checkpoint(self, work: Work) -> Any:
        """The same again: the trial's last epoch lies in its folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, work)


class SlurmJob:
    """A run in Slurm's hands."""

    def __init__(self, job: Job, placed: Any) -> None:
        self.job = job
        self.placed = placed

    def finished(self) -> Finished | None:
        """How it ended; without a result, by what Slurm says."""
        from submitit.core.utils import FailedJobError

        if not self.placed.done():
            return None
        if not self.placed.paths.result_pickle.exists():
            state = str(self.placed.state)
            if (reason := REASONS.get(state.partition(" ")[0])) is not None:
                return refused(self.job, outcome.failed(reason, f"Slurm ended the job: {state}", 0.0))
            return lost(self.job)
        try:
            finished: Finished = self.placed.result()
            return finished
        except FailedJobError as error:
            if "timed-out too many times" in str(error):
                return refused(self.job, outcome.failed("timeout", "Slurm's time limit, too often", 0.0, str(error)))
            return refused(self.job, outcome.of_error(error, 0.0))

    def cancel(self) -> None:
        """Ask it to end."""
        self.placed.cancel(check=False)


def _folder(job: Job) -> Path:
    return Path(job.directory, "slurm")


def _left(job: Job) -> Path:
    """Where the Slurm job of a run is remembered."""
    return _folder(job) / "job.pkl"
