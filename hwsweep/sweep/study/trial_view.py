"""What others see of one trial: plain values, read from Optuna's record and the trial's folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsweep.files import masked
from hwsweep.run_folder import read_result
from hwsweep.sweep.outcome import Outcome, pauses, read_outcome
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.search.space import Space, python_values
from hwsweep.sweep.study.trial_attributes import (
    ADDED,
    COPY_OF,
    PAUSED,
    PROMOTED,
    START,
    STOPPED,
    is_paused,
    origin,
    own_values,
    trial_metrics,
    trial_params,
)
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class RunView(NamedTuple):
    """One run: a trial has one, or one for each seed."""

    directory: Path
    outcome: Outcome | None
    metrics: dict[str, float]
    run_id: str | None
    pauses: Sequence[Outcome] = ()
    """How it ended each time that it paused and went on later."""


class TrialView(NamedTuple):
    """One trial as it stands in the study."""

    number: int
    params: dict[str, Value]
    state: str
    """waiting, paused, running, complete, pruned or failed."""
    values: list[float]
    directory: Path
    seconds: float
    failure: dict[str, str] | None
    """reason and message."""
    metrics: dict[str, float]
    """The metrics that the program stored in result.json; with several seeds, their means."""
    run_id: str | None
    """Of the first seed."""
    command: list[str]
    """Runs this point alone, without a sweep; empty if no command does that."""
    errors: list[float]
    """Standard error of each value over the seeds; empty without seeds."""
    runs: list[RunView]
    reported: Mapping[int, float] = MappingProxyType({})
    """Intermediate values of the objective by step, as the pruner saw them."""
    record: FrozenTrial | None = None
    """Optuna's own record."""
    added: Mapping[str, Any] | None = None
    """For a trial that a user added to the plan: who asked for it (`by`), the trial that it repeats (`of`) and what it
    sets on top of its point (`overrides`)."""

    @property
    def by_user(self) -> str:
        """What a user has asked for: "start", "copy of night/7", "added", "retry of 4", "replicate of 5: seed=8",
        "stopped"; else empty."""
        attributes = {} if self.record is None else self.record.user_attrs
        parts = ["start"] * (START in attributes)
        if COPY_OF in attributes:
            parts.append(f"copy of {'/'.join(Path(attributes[COPY_OF]).parts[-2:])}")
        if self.added is not None and self.record is not None:
            parts.append(": ".join([origin(self.record), *self.added["overrides"]]))
        if STOPPED in attributes:
            parts.append("stopped")
        return ", ".join(parts)

    @property
    def constraints(self) -> Mapping[str, float]:
        """The values of the trial's constraints by name; above 0 it is infeasible. Empty without constraints."""
        return {} if self.record is None else self.record.constraints

    @property
    def feasibility(self) -> str:
        """ "feasible" or "infeasible"; empty for a trial without constraints."""
        if not self.constraints:
            return ""
        return "feasible" if is_feasible(self.constraints) else "infeasible"

    @property
    def pause(self) -> int | None:
        """The step at which a pausing pruner has stopped the trial; None if it goes on."""
        if self.record is None or self.state not in ("paused", "pruned"):
            return None  # a program on another machine may end before it has read that it is to pause
        return self.record.user_attrs.get(PAUSED)

    @property
    def promotion(self) -> int | None:
        """The last step at which a pausing pruner let the trial go on; None without one."""
        return None if self.record is None else self.record.user_attrs.get(PROMOTED)


STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_view(space: Space, trial: FrozenTrial, directory: Path, program: list[str]) -> TrialView:
    """One trial: Optuna's record, and the files in its folder.

    Args:
        program: the beginning of the command that runs the trial's point alone.
    """
    folder = directory / str(trial.number)
    runs = [run_view(path) for path in sorted(folder.glob("seed_*"))] or [run_view(folder)]
    point, own = space.point_of_trial(trial_params(trial)), own_values(trial)
    return TrialView(
        number=trial.number,
        params=python_values(point),
        state="paused" if is_paused(trial) else STATES[trial.state.name],
        values=list(trial.values or []),
        directory=folder,
        seconds=sum(part.seconds for run in runs for part in (*run.pauses, run.outcome) if part is not None),
        failure=trial.user_attrs.get("failure"),
        metrics=trial_metrics(trial),
        run_id=runs[0].run_id,
        command=masked([*program, *space.overrides({**point, **own})] if program else []),
        errors=trial.user_attrs.get("standard_errors", []),
        runs=runs,
        reported=trial.intermediate_values,
        record=trial,
        added=trial.user_attrs.get(ADDED),
    )


def run_view(directory: Path) -> RunView:
    """One run, from its folder."""
    result = read_result(directory)
    metrics = {str(key): float(value) for key, value in result.get("metrics", {}).items()}
    return RunView(directory, read_outcome(directory), metrics, result.get("run_id"), pauses(directory))
