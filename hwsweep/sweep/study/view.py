"""What others see of a study: plain values, read from its storage and its folders."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from omegaconf import DictConfig

from hwsweep.files import masked
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.study.trial_attributes import (
    NOTE,
)
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.study.trial_view import TrialView, trial_view
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
    points: Sequence[Point] | None = None
    """The planned points of a running study; None if a sampler proposes them, and for a study that is read."""

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

        def others(trial: TrialView) -> list[object]:
            own = (trial.added or {}).get("overrides", [])  # such as the seed of a replicate
            return [*(trial.params.get(other) for other in self.axes if other != key), *own]

        return [trial for trial in self.complete_trials if others(trial) == others(base)]

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
        points=plan.points,
    )


def log_keys(trials: Iterable[FrozenTrial], space: Space) -> frozenset[str]:
    """The keys that are sampled on a logarithmic scale, those of a custom search space included."""
    distributions = [item for trial in trials for item in trial.distributions.items()]
    sampled = {key for key, distribution in distributions if getattr(distribution, "log", False)}
    return frozenset(sampled | {axis.key for axis in space.axes if axis.log})


def command_line() -> Caller:
    """The command of this process; the program is all of it up to the program's own arguments."""
    return Caller(list(sys.orig_argv), list(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]), None)
