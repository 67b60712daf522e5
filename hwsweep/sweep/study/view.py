"""What others see of a study: plain values, read from its storage and its folders."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from omegaconf import DictConfig

from hwsweep.files import masked
from hwsweep.run_folder import read_result
from hwsweep.sweep.outcome import Outcome, pauses, read_outcome
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space, python_values
from hwsweep.sweep.study.trial_attributes import (
    ADDED,
    COPY_OF,
    NOTE,
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
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Caller(NamedTuple):
    """What began a sweep, for those who repeat it or one of its trials."""

    argv: list[str]
    """The command; empty in a notebook."""
    program: list[str]
    """The beginning of the command that runs one point: ["python", "-m", "hwsweep"]; empty if no command does that."""
    task: str | None
    """The name of the function that `hwsweep.sweep` got; None for a program that Hydra began."""


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


class StudyView(NamedTuple):
    """A study as it stands."""

    name: str
    directory: Path
    command: list[str]
    config: DictConfig
    axes: dict[str, tuple[Value, ...] | None]
    """Swept keys in order, with their values; None for an interval."""
    trials: list[TrialView]
    directions: Sequence[str] = ("minimize",)
    """Per objective: minimize or maximize."""
    log_keys: frozenset[str] = frozenset()
    """Swept keys that are sampled on a logarithmic scale."""
    note: str = ""
    """What a user has noted about the study."""

    @property
    def complete_trials(self) -> list[TrialView]:
        """The trials that have a value for each objective, by number."""
        return [trial for trial in self.trials if trial.state == "complete" and trial.values]

    @property
    def feasible_trials(self) -> list[TrialView]:
        """The complete trials that keep their constraints, by number: without constraints all complete ones."""
        return [trial for trial in self.complete_trials if trial.feasibility != "infeasible"]

    @property
    def ranked_trials(self) -> list[TrialView]:
        """The complete trials that are feasible, the best one first; empty unless there is one objective."""
        if len(self.directions) != 1:
            return []
        sign = -1 if self.directions[0] == "maximize" else 1
        return sorted(self.feasible_trials, key=lambda trial: sign * trial.values[0])

    @property
    def best_trial(self) -> TrialView | None:
        """The trial with the best value; None where there are several objectives or no feasible trial is complete."""
        return next(iter(self.ranked_trials), None)

    def trials_along(self, key: str, base: TrialView) -> list[TrialView]:
        """The complete trials that differ from `base` at most in this swept key, by number."""
        others = [other for other in self.axes if other != key]
        return [t for t in self.complete_trials if all(t.params.get(o) == base.params.get(o) for o in others)]

    @property
    def objective_names(self) -> list[str]:
        """The name of each value of a trial: as the configuration's `objective` says, else "value" or "objective 1"."""
        return objective_names(self.config, len(self.directions))


def objective_names(config: DictConfig, n_objectives: int) -> list[str]:
    """The configuration's `objective`, where it names so many; else "value", or "objective 1", ..."""
    names = config.get("objective") or []
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(names) == n_objectives:
        return names
    return ["value"] if n_objectives == 1 else [f"objective {number}" for number in range(1, n_objectives + 1)]


class Observer(Protocol):
    """The setting `observer` names a class with these methods; the sweep calls them."""

    def started(self, view: StudyView) -> None:
        """Called before any process of a trial starts; an exception (or SystemExit) ends the sweep here."""

    def finished(self, view: StudyView) -> str | None:
        """Called when the sweep ends: complete, given up or interrupted.

        A text that it returns is stored with the study, where Optuna's tools show it.
        """


STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def study_view(store: TrialStore, plan: SearchPlan, directory: Path, config: DictConfig, caller: Caller) -> StudyView:
    """The study with all its trials."""
    records = store.trials()
    return StudyView(
        name=store.name,
        directory=directory,
        command=masked(caller.argv),
        config=config,
        axes={axis.key: axis.values for axis in plan.space.axes},
        trials=[trial_view(plan.space, trial, directory, caller.program) for trial in records],
        directions=plan.directions,
        log_keys=log_keys(records, plan.space),
        note=str(store.study_attributes().get(NOTE) or ""),
    )


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


def log_keys(trials: Iterable[FrozenTrial], space: Space) -> frozenset[str]:
    """The keys that are sampled on a logarithmic scale, those of a custom search space included."""
    distributions = [item for trial in trials for item in trial.distributions.items()]
    sampled = {key for key, distribution in distributions if getattr(distribution, "log", False)}
    return frozenset(sampled | {axis.key for axis in space.axes if axis.log})


def command_line() -> Caller:
    """The command of this process; the program is all of it up to the program's own arguments."""
    return Caller(list(sys.orig_argv), list(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]), None)
