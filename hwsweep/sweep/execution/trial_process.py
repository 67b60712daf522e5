"""What a trial's process does: compose the configuration, run the task, store the outcome."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep.files import without_passwords
from hwsweep.sweep import outcome, trial
from hwsweep.sweep.config_snapshot import Snapshot, mask_run_config
from hwsweep.sweep.execution.executor import AskedToPrune, Job, Reported
from hwsweep.sweep.outcome import Outcome


class TrialProgram(NamedTuple):
    """The program of a sweep's trials."""

    task: TaskFunction
    snapshot: Snapshot
    singletons: Any
    callbacks: Any
    cache: dict[str, Any]
    """OmegaConf's cache of the parent, so that `${now:}` is the same in all trials."""
    n_objectives: int
    pauses: bool
    """Whether a pruned trial can go on later."""

    def compose(self, overrides: list[str]) -> DictConfig:
        return self.snapshot.compose(overrides)

    def run(self, job: Job, config: bytes | None, connection: Connection) -> Outcome:
        constraints = trial.Constraints()
        trial.set_current(_trial(self.snapshot.study, job, connection, constraints, self.pauses))
        result = outcome.from_call(partial(self._value, job, config), self.n_objectives)
        return result._replace(constraints=constraints.values)

    def store(self, job: Job, result: Outcome) -> None:
        if result.failure is not None:
            text = result.failure.traceback or result.failure.message
            print(without_passwords(text), file=sys.stderr, flush=True)
        outcome.write_outcome(Path(job.directory), result)

    def _value(self, job: Job, pickled: bytes | None) -> Any:
        """What the task function returns. Raises what the task function raises."""
        setup_globals()
        Singleton.set_state(self.singletons)
        # the sweep itself wrote it to its own pipe
        config = self.compose(job.overrides) if pickled is None else pickle.loads(pickled)  # noqa: S301
        OmegaConf.set_cache(config, self.cache)
        with flag_override(config.hydra, ["readonly", "struct"], False):
            config.hydra.job.id, config.hydra.job.num = str(job.trial), job.trial
            config.hydra.sweep.subdir = job.folder
        context = HydraContext(config_loader=self.snapshot.loader(), callbacks=self.callbacks)
        job_return = run_job(self._task, config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=context)
        with redirect_stderr(io.StringIO()):  # where the task raised, Hydra also prints "Error executing job"
            return job_return.return_value

    def _task(self, config: DictConfig) -> Any:
        mask_run_config()
        return self.task(config)


def _trial(study: str, job: Job, connection: Connection, constraints: trial.Constraints, pauses: bool) -> trial.Trial:
    """The trial that the task function sees; it talks to the sweep through the connection."""

    def report(value: float, step: int) -> None:
        message = Reported(float(value), int(step))
        with _ends_with(connection):
            connection.send(message)

    def should_prune() -> bool:
        with _ends_with(connection):
            connection.send(AskedToPrune())
            return bool(connection.recv())

    return trial.Trial(study, job.trial, job.params, report, should_prune, constraints.set, pauses, job.origin)


@contextmanager
def _ends_with(connection: Connection) -> Iterator[None]:
    """Interrupt the task if the sweep at the other end of the connection has ended: that is no error of the task."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise KeyboardInterrupt("the sweep has ended") from error
