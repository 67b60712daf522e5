"""The trials of one study in Optuna's storage. Each change is one record: a killed process leaves all of it or none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

REFUSED = "refused"
"""The attribute of a trial whose point the program refuses; it never ran."""


class TrialResult(NamedTuple):
    """How a trial ended, after all its runs."""

    state: str
    """complete, pruned or failed."""
    values: list[float]
    """One per objective if complete, else empty."""
    attributes: Mapping[str, Any]
    """What is stored beside the values: seconds, MLflow run, metrics, failure."""


class Counts(NamedTuple):
    """How many trials a study has."""

    finished: int
    """Without refused ones."""
    failed: int
    """Without refused ones."""
    refused: int


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
        study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
        if [direction.name.lower() for direction in study.directions] != directions:
            raise SweepError(f"study {name!r} in the storage has other directions; give another study_name")
        self.study_id = storage.get_study_id_from_name(name)
        self._counts = Counts(0, 0, 0)
        self._uncounted: list[int] = []
        self._n_read = 0

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

    def counts(self) -> Counts:
        """How many trials have ended, and how; each trial is counted once, since a finished one does not change."""
        trials = self.trials()
        unread = [*self._uncounted, *range(self._n_read, len(trials))]
        finished = [trials[number] for number in unread if trials[number].state.is_finished()]
        refused = sum(REFUSED in trial.user_attrs for trial in finished)
        failed = sum(trial.state.name == "FAIL" for trial in finished)
        self._uncounted = [number for number in unread if not trials[number].state.is_finished()]
        self._n_read = len(trials)
        before = self._counts
        self._counts = Counts(
            finished=before.finished + len(finished) - refused,
            failed=before.failed + failed - refused,
            refused=before.refused + refused,
        )
        return self._counts

    def values(self) -> list[float]:
        """The first objective of each complete trial."""
        return [trial.values[0] for trial in self.trials() if trial.state.name == "COMPLETE"]

    def unfinished(self) -> list[int]:
        """Numbers of the trials that wait or run."""
        return [trial.number for trial in self.trials() if not trial.state.is_finished()]

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
    ) -> None:
        """Add a running trial."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs=dict(attributes),
        )
        self.storage.create_new_trial(self.study_id, template_trial=trial)

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
        from optuna.trial import TrialState

        for key, value in result.attributes.items():
            self.set_attribute(number, key, value)
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
