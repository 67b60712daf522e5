"""The study's trials in Optuna. One process writes, or several in turn (join); every record is whole or absent."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.sampling import Plan
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.search.trial_window import History
from hwsweep.sweep.study.storage import open_storage

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


REFUSED = "refused"
"""The note of a trial whose point the program refused."""


class Book:
    """The trials of one study, begun or found again."""

    def __init__(self, name: str, url: str | None, directory: Path, plan: Plan, config: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self.plan = plan
        self.config = config
        self.storage: BaseStorage = open_storage(url, directory)
        asked = plan.directions
        study = optuna.create_study(study_name=name, storage=self.storage, directions=asked, load_if_exists=True)
        if [direction.name.lower() for direction in study.directions] != asked:
            raise SweepError(f"study {name!r} in the storage has other directions; give another study_name")
        self.study_id = self.storage.get_study_id_from_name(name)
        self.pruner = sampling.build(plan.pruner) if plan.pruner else optuna.pruners.NopPruner()
        self.notes: dict[str, Any] = {}
        """What each new trial carries from its first moment on."""
        self.recount()
        self.points = plan.listed()
        self.n_points = float("inf") if self.points is None else len(self.points)
        self.tried: dict[int, tuple[Any, ...]] = {}
        """The points of trials that have ended."""
        self.ended: dict[int, float] = {}
        """Their values, as History keeps them."""
        swept = plan.space.axes if plan.points is not None else []
        self.spreads = {axis.key: sampling.listed(axis) for axis in swept}

    def recount(self) -> None:
        """Count again what has failed, also in other processes."""
        trials = self.trials()
        self.n_refused = sum(REFUSED in t.user_attrs for t in trials if t.state.is_finished())
        """Trials that were never run: they do not count."""
        self.n_failed = sum(t.state.name == "FAIL" for t in trials) - self.n_refused

    def best(self) -> float | None:
        """The best value of a complete trial; None before the first, and for several objectives."""
        return self.plan.best(t.values[0] for t in self.trials() if t.state.name == "COMPLETE")

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, by number; not to be changed."""
        return self.storage.get_all_trials(self.study_id, deepcopy=False)

    def _id(self, number: int) -> int:
        """What the storage calls the trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def _trial(self, number: int) -> FrozenTrial:
        """One trial, without making a list of all; not to be changed."""
        return self.storage.get_trial(self._id(number))

    def note(self, number: int, key: str, value: Any) -> None:
        """Keep something with a trial that has not ended."""
        self.storage.set_trial_user_attr(self._id(number), key, value)

    def unfinished(self) -> list[int]:
        """Numbers of the trials that wait or were running when the sweep was interrupted."""
        return [trial.number for trial in self.trials() if not trial.state.is_finished()]

    def done(self) -> int:
        """How many of the plan's total have ended."""
        return sum(trial.state.is_finished() for trial in self.trials()) - self.n_refused

    def _next_number(self) -> int | None:
        """Number of the next trial; None at the total, or at every point of a finite space."""
        number = self.storage.get_n_trials(self.study_id)  # asked once: other processes add trials
        over = number - self.n_refused >= self.plan.total or number >= self.n_points
        return None if over else number

    def over(self) -> bool:
        """Whether there is no further trial to begin and none to end."""
        return self._next_number() is None and not self.unfinished()  # in this order: other processes begin trials

    def new(self) -> tuple[int, Point] | None:
        """Number and point of the next trial, already running in the storage; None when there is none left."""
        number = self._next_number()
        if number is None:
            return None
        if self.plan.points is not None:
            point = self.plan.points[number]
            self._create(point)
        else:
            self._create({})
            point = self._fill(number)
        return number, point

    def next_in_line(self) -> tuple[int, Point] | None:
        """Number and point of the next new trial, if that is certain already: in a grid."""
        if self.plan.points is None or (number := self._next_number()) is None:
            return None
        return number, self.plan.points[number]

    def again(self, number: int) -> Point:
        """The point of a trial that waits or was interrupted; it runs again from now on."""
        from optuna.trial import TrialState

        trial = self._trial(number)
        if trial.state == TrialState.WAITING:
            self.claim(number)
        return self.plan.space.tried(trial.params) if self.plan.points is not None else self._fill(number)

    def claim(self, number: int) -> bool:
        """Make a waiting trial run; False if another process was faster: the storage compares and sets."""
        from optuna.trial import TrialState

        return self.storage.set_trial_state_values(self._id(number), TrialState.RUNNING)

    def requeue(self, number: int) -> None:
        """Let an interrupted trial wait for the sweep to go on."""
        from optuna.trial import TrialState

        self.storage.set_trial_state_values(self._id(number), TrialState.WAITING)

    def finish(self, number: int, state: str, values: list[float], notes: Mapping[str, Any]) -> None:
        """End the trial: notes first, so that a finished trial is complete; its state last."""
        from optuna.trial import TrialState

        trial_id = self._id(number)
        for key, value in notes.items():
            self.storage.set_trial_user_attr(trial_id, key, value)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self._study(number, 0).tell(number, values if state == "complete" else None, state=states[state])
        self.n_failed += state == "failed"

    def refuse(self, number: int, why: str) -> None:
        """End a trial whose point the program refuses: failed, for this reason, without having been run."""
        self.finish(number, "failed", [], {REFUSED: True, "failure": {"reason": "invalid-config", "message": why}})
        self.n_refused += 1
        self.n_failed -= 1

    def unused(self) -> bool:
        """Whether no trial of this study was ever run."""
        return len(self.trials()) == self.n_refused

    @contextmanager
    def discarded_if_unused(self) -> Iterator[None]:
        """Remove the study from the storage if an exception ends it before anything was run."""
        try:
            yield
        except BaseException:
            if self.unused():
                self.storage.delete_study(self.study_id)
            raise

    def report(self, number: int, value: float, step: int) -> None:
        """Keep an intermediate value of a running trial; of one that another process has ended since, none."""
        from optuna.exceptions import UpdateFinishedTrialError

        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_intermediate_value(self._id(number), step, value)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner gives the trial up."""
        import optuna

        if len(self.plan.directions) > 1:
            return False
        study = optuna.load_study(study_name=self.name, storage=self.storage)  # with all trials
        return self.pruner.prune(study, self._trial(number))

    def _create(self, point: Point) -> None:
        """Add a running trial in one record: a killed sweep leaves all of it or nothing."""
        from optuna.trial import TrialState, create_trial

        spreads = {key: self.spreads[key] for key in point}
        # create_trial demands values of finished trials only
        params, notes = dict(point), self.notes
        trial = create_trial(state=TrialState.RUNNING, params=params, distributions=spreads, user_attrs=notes)
        self.storage.create_new_trial(self.study_id, template_trial=trial)

    def _fill(self, number: int) -> Point:
        """The sampled point of a trial; what an interrupted sweep has stored of it stays."""
        from optuna import Trial

        trial = self._trial(number)
        study = self._study(number, 0)
        if not self._complete(trial):
            study, sampled = self._sample(number)
            for axis in self.plan.space.leaders():
                if axis.key in sampled and axis.key not in trial.params:
                    spread = sampling.distribution(axis)
                    value = spread.to_internal_repr(sampled[axis.key])
                    self.storage.set_trial_param(trial._trial_id, axis.key, value, spread)
        if self.plan.extend is not None:
            sampling.locate(self.plan.extend)(self.config, Trial(study, trial._trial_id))
        return self.plan.space.tried(self._trial(number).params)

    def _complete(self, trial: FrozenTrial) -> bool:
        """Whether every axis swept at the trial's point has its value."""
        space = self.plan.space
        return all(axis.key in trial.params or not space.swept(axis.key, trial.params) for axis in space.leaders())

    def _sample(self, number: int) -> tuple[Study, Point]:
        """A point that is not excluded and, in a finite space, not known; and the study that gave it."""
        space = self.plan.space
        blank = copy.copy(self._trial(number))
        blank.params, blank.distributions = {}, {}  # the same draws again, whatever is stored already
        known = self._known(number) if self.points is not None else set()
        for attempt in range(sampling.ATTEMPTS):
            study = self._study(number, attempt)
            point = sampling.suggest(study, blank, space)
            if tuple(point.items()) not in known and not space.excluded(point):
                return study, point
        points = space.points() if self.points is None and space.finite else self.points or []
        fresh = next((point for point in points if tuple(point.items()) not in known), None)
        if fresh is None:
            raise SweepError(f"{sampling.ATTEMPTS} suggestions in a row were excluded; loosen `exclude`")
        return study, fresh

    def _known(self, number: int) -> set[tuple[Any, ...]]:
        """The points of the trials before this one; of those that have ended each is worked out once."""
        known = set()
        for trial in self.trials()[:number]:
            point = self.tried.get(trial.number) or tuple(self.plan.space.tried(trial.params).items())
            if trial.state.is_finished():
                self.tried[trial.number] = point
            known.add(point)
        return known

    def _study(self, number: int, attempt: int) -> Study:
        """Optuna's study as the sampler of this trial sees it; loaded anew, so that no cache is stale."""
        import optuna

        node = self.plan.sampler or {"_target_": "optuna.samplers.TPESampler"}
        if self.plan.points is not None:
            node = {"_target_": "optuna.samplers.RandomSampler"}  # asked nothing
        sampler = sampling.build_sampler(node, self.plan.seed, number, attempt)
        storage: Any = self.storage
        if self.plan.history is not None and len(self.plan.directions) == 1:
            storage = History(storage, self.plan.history, self.plan.directions == ["maximize"], self.ended)
        return optuna.load_study(study_name=self.name, storage=storage, sampler=sampler, pruner=self.pruner)
