"""The trials that pause at a rung: the pruner's decisions, stored. A resumed sweep finds them, or decides the same."""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from hwsweep.sweep.search.promotion import PausingPruner, Progress, comparable
from hwsweep.sweep.study.trial_attributes import PAUSED, PROMOTED, STOPPED, is_paused
from hwsweep.sweep.study.trial_store import TrialStore

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState


class PausedTrials:
    """Pauses trials and promotes the best ones.

    A trial has the attribute PAUSED, its rung, from the answer that tells its program to pause. It is WAITING once its
    process has ended. PROMOTED is the highest rung that it has passed: a program that goes on from its checkpoint asks
    again at the steps before.
    """

    def __init__(self, store: TrialStore, pruner: PausingPruner, maximize: bool) -> None:
        self.store = store
        self.pruner = pruner
        self.maximize = maximize
        self.known: dict[int, tuple[FrozenTrial, Progress]] = {}
        """By number, each trial as it was read last, and as the pruner sees it: most have not changed since."""

    def pauses(self, number: int, step: int) -> bool:
        """Whether the running trial, which has reported this step, pauses."""
        attributes = self.store.trial(number).user_attrs
        rung = self.pruner.rung(number, step)
        if rung is None or rung <= attributes.get(PROMOTED, 0):
            return False
        if attributes.get(PAUSED) is not None:  # a program on another machine asks again until it has read the answer
            return True
        pauses = self.pruner.pauses(number, rung, self._progress())
        self.store.set_attribute(number, PAUSED if pauses else PROMOTED, rung)
        return pauses

    def rung(self, number: int) -> int | None:
        """Where the trial was told to pause; None for one that goes on."""
        rung: int | None = self.store.trial(number).user_attrs.get(PAUSED)
        return rung

    def promote(self, no_new_trials: bool) -> int | None:
        """The trial that goes on now, which waits for a slot from now on; None if none may."""
        number = self.promotable(no_new_trials)
        if number is not None:
            self.store.set_attribute(number, PROMOTED, self.store.trial(number).user_attrs[PAUSED])
            self.store.set_attribute(number, PAUSED, None)  # killed before: the next sweep decides the same
        return number

    def promotable(self, no_new_trials: bool) -> int | None:
        """The trial that would go on now; None if none may."""
        return self.pruner.next_promotion(self._progress(), no_new_trials)

    def _progress(self) -> list[Progress]:
        """Every trial as the pruner sees it."""
        trials = self.store.trials()
        for trial in trials:
            if trial.number not in self.known or self.known[trial.number][0] is not trial:
                values = {step: comparable(value, self.maximize) for step, value in trial.intermediate_values.items()}
                progress = Progress(trial.number, values, _state(trial), trial.user_attrs.get(PAUSED))
                self.known[trial.number] = trial, progress
        return [self.known[trial.number][1] for trial in trials]


def _state(trial: FrozenTrial) -> Any:
    """The trial's state as the pruner sees it."""
    if is_paused(trial):
        return "paused"
    if not trial.state.is_finished():
        return "running"
    return "failed" if trial.state.name == "FAIL" or STOPPED in trial.user_attrs else "ended"


class PausedAsPruned:
    """The storage of a study as a sampler sees it: paused trials are pruned ones, so that it learns from their values.

    Such a trial has no end time, since it can still go on.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self.storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials, by number."""
        trials = [_as_pruned(trial) for trial in self.storage.get_all_trials(study_id, deepcopy=False)]
        found = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    from optuna.trial import TrialState

    if not is_paused(trial) or not trial.intermediate_values:
        return trial
    pruned = copy.copy(trial)
    pruned.state = TrialState.PRUNED
    pruned.values = [trial.intermediate_values[max(trial.intermediate_values)]]
    return pruned
