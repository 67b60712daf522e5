"""The trials of one study in Optuna's storage. Each change is one record: a killed process leaves all of it or none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.study.trial_attributes import (
    ADDED,
    HELD,
    METRICS,
    REFUSED,
    STOP,
    STOPPED,
    UNLISTED,
    holds,
    is_paused,
)
from hwsweep.sweep.study.trial_counts import Counts, Tally

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


class TrialResult(NamedTuple):
    """How a trial ended, after all its runs."""

    state: str
    """complete, pruned or failed."""
    values: list[float]
    """One per objective if complete, else empty."""
    attributes: Mapping[str, Any]
    """What is stored beside the values: seconds, MLflow run, metrics, verdict, failure."""
    constraints: Mapping[str, float] = MappingProxyType({})
    """By name; the trial is feasible if none is above 0."""


class TrialStore:
    """The trials of one study, new or opened again.

    Raises:
        SweepError: a study of this name is there and has other directions.
    """

    def __init__(self, name: str, storage: BaseStorage, directions: list[Literal["minimize", "maximize"]]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self.storage = storage
        try:  # to create a study that is there would write to the journal
            self.study_id = storage.get_study_id_from_name(name)
        except KeyError:
            optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
            self.study_id = storage.get_study_id_from_name(name)
        if [each.name.lower() for each in storage.get_study_directions(self.study_id)] != directions:
            raise SweepError(f"study {name!r} in the storage has other directions; give another study_name")
        self._tally = Tally()

    def name_objectives(self, names: list[str]) -> None:
        """Store the names of the values of a trial, which Optuna's own tools show."""
        import optuna
        from optuna.exceptions import ExperimentalWarning

        study = optuna.load_study(study_name=self.name, storage=self.storage)
        if study.metric_names != names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(names)

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number; do not change them."""
        return self.storage.get_all_trials(self.study_id, deepcopy=False)

    def trial(self, number: int) -> FrozenTrial:
        """One trial; do not change it."""
        return self.storage.get_trial(self.trial_id(number))

    def trial_id(self, number: int) -> int:
        """The storage's own id of the trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def n_trials(self) -> int:
        """How many trials there are; the number of the next one."""
        return self.storage.get_n_trials(self.study_id)

    def n_proposed_before(self, number: int) -> int:
        """How many of the earlier trials the plan proposed."""
        return sum(ADDED not in trial.user_attrs for trial in self.trials()[:number])

    def counts(self) -> Counts:
        """How many trials have ended, and how."""
        self._read()
        return self._tally.counts

    def _read(self) -> list[FrozenTrial]:
        """All trials, counted."""
        trials = self.trials()
        self._tally.update(trials)
        return trials

    def values(self) -> list[float]:
        """The first objective of each complete trial that keeps its constraints."""
        complete = [trial for trial in self.trials() if trial.state.name == "COMPLETE"]
        return [trial.values[0] for trial in complete if is_feasible(trial.constraints)]

    def unfinished(self) -> list[int]:
        """Numbers of the trials that wait, pause or run."""
        self._read()
        return list(self._tally.unfinished)

    def waiting(self) -> list[int]:
        """Numbers of the trials that wait for a slot: interrupted and added ones, but none that pauses."""
        trials = self._read()
        waiting = [trials[number] for number in self._tally.unfinished if trials[number].state.name == "WAITING"]
        return [trial.number for trial in waiting if not is_paused(trial)]

    def paused(self) -> list[int]:
        """Numbers of the trials that wait for their promotion."""
        trials = self._read()
        return [number for number in self._tally.unfinished if is_paused(trials[number])]

    def stop_requests(self) -> list[int]:
        """Numbers of the unfinished trials that a user asks to stop."""
        trials = self._read()
        return [number for number in self._tally.unfinished if STOP in trials[number].user_attrs]

    def end_stopped(self) -> None:
        """End the trials that are to stop and that no process runs."""
        for number in self.stop_requests():
            if self.trial(number).state.name == "WAITING" and self.start(number):
                self.finish(number, TrialResult("pruned", [], {}))

    def is_held(self) -> bool:
        """Whether a user lets no trial start."""
        return bool(self.study_attributes().get(HELD))

    def is_unused(self) -> bool:
        """Whether no trial of this study ever ran."""
        return self.n_trials() == self.counts().refused

    @contextmanager
    def deleted_if_unused(self) -> Iterator[None]:
        """Delete the study from the storage if an exception ends the block before a trial ran."""
        try:
            yield
        except BaseException:
            if self.is_unused():
                self.storage.delete_study(self.study_id)
            raise

    def add(
        self,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        attributes: Mapping[str, Any],
        waiting: bool = False,
    ) -> int:
        """Add a trial that runs, or one that waits; the number that it has got."""
        from optuna.trial import TrialState, create_trial

        listed = {key: value for key, value in params.items() if holds(distributions[key], value)}
        unlisted = {key: value for key, value in params.items() if key not in listed}
        trial = create_trial(
            state=TrialState.WAITING if waiting else TrialState.RUNNING,
            params=listed,
            distributions={key: distributions[key] for key in listed},
            user_attrs={**attributes, **({UNLISTED: unlisted} if unlisted else {})},
        )
        return self.storage.get_trial_number_from_id(self.storage.create_new_trial(self.study_id, trial))

    def set_param(self, number: int, key: str, value: Any, distribution: BaseDistribution) -> None:
        """Store the value of a parameter with a trial that has not ended."""
        self.storage.set_trial_param(self.trial_id(number), key, distribution.to_internal_repr(value), distribution)

    def set_attribute(self, number: int, key: str, value: Any) -> None:
        """Store a value with a trial that has not ended."""
        self.storage.set_trial_user_attr(self.trial_id(number), key, value)

    def start(self, number: int) -> bool:
        """Set a waiting trial to running; False if another process was faster, since the storage compares and sets."""
        from optuna.trial import TrialState

        return self.storage.set_trial_state_values(self.trial_id(number), TrialState.RUNNING)

    def pause(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Set a trial to waiting whose runs have paused."""
        self._set_attributes(number, attributes)
        self.requeue(number)

    def _set_attributes(self, number: int, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            if key == METRICS:
                self.storage.set_trial_system_attr(self.trial_id(number), key, value)
            else:
                self.set_attribute(number, key, value)

    def requeue(self, number: int) -> None:
        """Set an interrupted trial to waiting."""
        from optuna.trial import TrialState

        self.storage.set_trial_state_values(self.trial_id(number), TrialState.WAITING)

    def report(self, number: int, value: float, step: int) -> None:
        """Store an intermediate value; nothing if another process has ended the trial meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError

        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_intermediate_value(self.trial_id(number), step, value)

    def finish(self, number: int, result: TrialResult, sampler: BaseSampler | None = None) -> None:
        """End the trial: attributes first and the state last, so that a finished trial is complete.

        Args:
            sampler: it learns how the trial ended.
        """
        from optuna.trial import TrialState, create_trial

        if STOP in self.trial(number).user_attrs and result.state != "complete":
            attributes = {key: value for key, value in result.attributes.items() if key != "failure"}
            result = TrialResult("pruned", [], {**attributes, STOPPED: True})
        self._set_attributes(number, result.attributes)
        constrained = create_trial(state=TrialState.RUNNING, constraints=dict(result.constraints))
        for key, value in constrained.system_attrs.items():
            self.storage.set_trial_system_attr(self.trial_id(number), key, value)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        values = result.values if result.state == "complete" else None
        self.study(sampler).tell(number, values, state=states[result.state])

    def refuse(self, number: int, message: str) -> None:
        """End a trial that never ran, because the program refuses its point."""
        failure = {"reason": "invalid-config", "message": message}
        self.finish(number, TrialResult("failed", [], {REFUSED: True, "failure": failure}))

    def study(self, sampler: BaseSampler | None = None, pruner: BasePruner | None = None, storage: Any = None) -> Study:
        """Optuna's study, loaded anew so that nothing in it is out of date.

        Args:
            storage: another view of the storage than the whole one.
        """
        import optuna

        sampler = sampler or optuna.samplers.RandomSampler()
        return optuna.load_study(study_name=self.name, storage=storage or self.storage, sampler=sampler, pruner=pruner)

    def study_attributes(self) -> dict[str, Any]:
        """What is stored with the study itself."""
        return self.storage.get_study_user_attrs(self.study_id)

    def set_study_attribute(self, key: str, value: Any) -> None:
        """Store a value with the study itself."""
        self.storage.set_study_user_attr(self.study_id, key, value)
