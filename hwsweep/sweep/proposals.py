"""Which trial comes next, and at which point: the grid's next point, or the one that a sampler proposes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsweep.sweep import SweepError
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.search.trial_window import TrialWindow
from hwsweep.sweep.study.trial_store import TrialStore

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from optuna import Study
    from optuna.samplers import BaseSampler


class NumberedPoint(NamedTuple):
    """A trial's number and its point."""

    number: int
    point: Point


class Proposals:
    """The points of a study's trials, by its plan.

    Args:
        config: the base configuration, for a custom search space.
    """

    def __init__(self, plan: SearchPlan, store: TrialStore, config: DictConfig) -> None:
        self.plan = plan
        self.store = store
        self.config = config
        self.pruner = sampling.build_pruner(plan.pruner)
        self.all_points = plan.all_points()
        swept = plan.space.axes if plan.points is not None else []
        self.grid_distributions = {axis.key: sampling.grid_distribution(axis) for axis in swept}
        self.finished_points: dict[int, tuple[Any, ...]] = {}
        self.finished_values: dict[int, float] = {}

    def next_number(self) -> int | None:
        """Number of the next new trial; None at the total, or when a finite space has no further point."""
        number = self.store.n_trials()  # read once: other processes add trials
        full = number - self.store.counts().refused >= self.plan.total
        exhausted = self.all_points is not None and number >= len(self.all_points)
        return None if full or exhausted else number

    def is_over(self) -> bool:
        """Whether no trial is left to begin and none is unfinished."""
        return self.next_number() is None and not self.store.unfinished()  # in this order: others begin trials

    def next_grid_point(self) -> NumberedPoint | None:
        """The next new trial, not begun yet; None where a sampler chooses it, or none is left."""
        if self.plan.points is None or (number := self.next_number()) is None:
            return None
        return NumberedPoint(number, self.plan.points[number])

    def begin_new(self, attributes: dict[str, Any]) -> NumberedPoint | None:
        """The next new trial, running in the storage from now on; None if none is left."""
        if (number := self.next_number()) is None:
            return None
        if self.plan.points is None:
            self.store.add({}, {}, attributes)
            return NumberedPoint(number, self._sampled_point(number))
        point = self.plan.points[number]
        self.store.add(point, {key: self.grid_distributions[key] for key in point}, attributes)
        return NumberedPoint(number, point)

    def point_of(self, number: int) -> Point:
        """The point of a trial that was begun before."""
        if self.plan.points is None:
            return self._sampled_point(number)
        return self.plan.space.point_of_trial(self.store.trial(number).params)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner ends the trial early; never with several objectives."""
        if len(self.plan.directions) > 1:
            return False
        return self.pruner.prune(self.store.study(), self.store.trial(number))

    def sampler(self, number: int, attempt: int = 0) -> BaseSampler | None:
        """The sampler of this trial; None in a grid."""
        if self.plan.points is not None:
            return None
        node = self.plan.sampler or {"_target_": "optuna.samplers.TPESampler"}
        return sampling.build_sampler(node, self.plan.seed, number, attempt)

    def _sampled_point(self, number: int) -> Point:
        """The point that the sampler proposes; values that an interrupted sweep has stored stay."""
        from optuna import Trial

        trial, space = self.store.trial(number), self.plan.space
        study = self._study(number, 0)
        missing = [axis for axis in space.independent_axes if axis.key not in trial.params]
        if any(space.is_swept(axis.key, trial.params) for axis in missing):
            study, proposed = self._propose(number)
            for axis in missing:
                if axis.key in proposed:
                    self.store.set_param(number, axis.key, proposed[axis.key], sampling.distribution(axis))
        if self.plan.custom_search_space is not None:
            suggest = sampling.locate(self.plan.custom_search_space)
            suggest(self.config, Trial(study, self.store.trial_id(number)))
        return space.point_of_trial(self.store.trial(number).params)

    def _propose(self, number: int) -> tuple[Study, Point]:
        """A point that is not excluded and, in a finite space, new; and the study whose sampler proposed it.

        Raises:
            SweepError: the sampler proposes excluded points only.
        """
        space = self.plan.space
        blank = copy.copy(self.store.trial(number))
        blank.params, blank.distributions = {}, {}  # a sampler then draws the same, whatever is stored already
        tried = self._points_before(number) if self.plan.is_finite else set()
        for attempt in range(sampling.ATTEMPTS):
            study = self._study(number, attempt)
            point = sampling.suggest(study, blank, space)
            if tuple(point.items()) not in tried and not space.is_excluded(point):
                return study, point
        untried = next((point for point in self.all_points or [] if tuple(point.items()) not in tried), None)
        if untried is None:
            raise SweepError(f"{sampling.ATTEMPTS} suggestions in a row were excluded; loosen `exclude`")
        return study, untried

    def _points_before(self, number: int) -> set[tuple[Any, ...]]:
        """The points of all earlier trials; those of finished trials are computed once."""
        points = set()
        for trial in self.store.trials()[:number]:
            known = self.finished_points.get(trial.number)
            point = known or tuple(self.plan.space.point_of_trial(trial.params).items())
            if trial.state.is_finished():
                self.finished_points[trial.number] = point
            points.add(point)
        return points

    def _study(self, number: int, attempt: int) -> Study:
        """Optuna's study as the sampler of this trial sees it."""
        storage: Any = self.store.storage
        if self.plan.history is not None and len(self.plan.directions) == 1:
            maximize = self.plan.directions == ["maximize"]
            storage = TrialWindow(storage, self.plan.history, maximize, self.finished_values)
        return self.store.study(self.sampler(number, attempt), self.pruner, storage)
