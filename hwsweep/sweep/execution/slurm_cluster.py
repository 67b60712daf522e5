"""Trials on a Slurm cluster, each as a job of submitit: hydra/launcher=hwsweep_slurm."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any, NamedTuple

import submitit
from submitit.helpers import DelayedSubmission

from hwsweep import files
from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.cluster_node import NODE_LOST, NodeRequest, NodeResult, run_on_node
from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.execution.fork_server import start_server
from hwsweep.sweep.outcome import from_error, from_failure, read_outcome, write_outcome

REASONS = {"OUT_OF_MEMORY": "out-of-memory", "TIMEOUT": "timeout", "DEADLINE": "timeout"}
"""Our reason for each state of a job that Slurm ended for good; any other state without a result is a lost node."""

JOB_FILE, END_FILE = "job.json", "end.json"
"""The submitted job, for a later sweep, and how it ended. Only JSON is read here: a folder may come from a stranger."""


class SlurmSettings(NamedTuple):
    """The settings of hydra/launcher=hwsweep_slurm; its YAML file explains each."""

    cluster: str
    partition: str | None
    cpus_per_trial: int
    memory_gb: float | None
    minutes: int
    max_timeouts: int
    signal_seconds: int
    options: dict[str, Any]


class SlurmCluster:
    """Slurm; with cluster=local, processes of this machine that submitit treats in the same way."""

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
        self.environment: dict[str, str] = {}  # sbatch passes on the environment of the sweep

    def reattach(self, job: Job) -> Any | None:
        stored = files.read_json(_folder(job) / JOB_FILE)
        if self.settings.cluster == "local" or stored is None:  # a local job ends with its sweep
            return None
        handle = submitit.SlurmJob(_folder(job), str(int(stored["id"])))
        return None if handle.done(force_check=True) else handle

    def submit(self, request: NodeRequest) -> Any:
        folder = _folder(request.job)
        folder.mkdir(mode=0o700, exist_ok=True)  # what submitit writes here may hold the passwords of the command
        (folder / END_FILE).unlink(missing_ok=True)
        handle = self._executor(request.job).submit(RequeueableRun(), request)
        files.write_json(folder / JOB_FILE, {"id": handle.job_id})
        return handle

    def poll(self, handle: Any) -> NodeResult | None:
        if not handle.done():
            return None
        if (result := _read_end(handle.paths.folder)) is not None:
            return result
        if handle.paths.result_pickle.exists():  # it failed before our code began
            log = (handle.stderr() or "it left no log").strip()
            return NodeResult(1, None, from_failure("error", f"Slurm's job failed: {log.splitlines()[-1]}", 0.0, log))
        state = str(handle.state)
        if (reason := REASONS.get(state.partition(" ")[0])) is None:
            return NODE_LOST
        return NodeResult(1, None, from_failure(reason, f"Slurm ended the job: {state}", 0.0))

    def cancel(self, handle: Any) -> None:
        handle.cancel(check=False)

    def close(self) -> None:
        pass  # there is no connection to Slurm

    def _executor(self, job: Job) -> Any:
        """The submitit executor of this job, with its logs in the job's folder."""
        settings = self.settings
        timeouts = {f"{settings.cluster}_max_num_timeout": settings.max_timeouts}
        executor = submitit.AutoExecutor(_folder(job), cluster=settings.cluster, **timeouts)
        executor.update_parameters(
            name=f"{self.study}/{job.folder}",
            timeout_min=settings.minutes,
            mem_gb=settings.memory_gb,
            cpus_per_task=settings.cpus_per_trial,
            gpus_per_node=self.gpus or None,
            slurm_partition=settings.partition,
            slurm_signal_delay_s=settings.signal_seconds,
            slurm_additional_parameters=settings.options,
        )
        return executor


class RequeueableRun:
    """`run_on_node` for submitit, which queues it again when it is preempted or at its time limit."""

    def __init__(self) -> None:
        self.interrupted = False

    def __call__(self, request: NodeRequest) -> None:
        """Run the job and store how it ended; the second and later times it continues from its last checkpoint."""
        _write_end(_folder(request.job), self._run(request))

    def _run(self, request: NodeRequest) -> NodeResult:
        # Slurm signals all processes of a job. The trial's must ignore it; they inherit that from the fork server.
        handler = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        start_server(request.processes.preload, request.processes.threads)
        signal.signal(signal.SIGUSR2, handler)
        try:
            return run_on_node(request)
        except Exception as error:
            if not self.interrupted:
                return NodeResult(1, None, from_error(error, 0.0))
            # submitit took the checkpoint and raised instead of queueing the job again
            return NodeResult(1, None, from_failure("timeout", "Slurm's time limit, too often", 0.0, str(error)))

    def checkpoint(self, request: NodeRequest) -> Any:
        """What submitit queues: the same job. Its last epoch lies in its folder."""
        self.interrupted = True
        return DelayedSubmission(RequeueableRun(), request)


def _write_end(folder: Path, result: NodeResult) -> None:
    if result.outcome is not None:
        write_outcome(folder, result.outcome)
    files.write_json(folder / END_FILE, {**result._asdict(), "outcome": result.outcome is not None})


def _read_end(folder: Path) -> NodeResult | None:
    """How the job ended; None if it stored nothing."""
    stored = files.read_json(folder / END_FILE)
    if stored is None:
        return None
    return NodeResult(stored["exit_code"], stored["stop_reason"], read_outcome(folder) if stored["outcome"] else None)


def _folder(job: Job) -> Path:
    return Path(job.directory, "slurm")
