"""Which trial comes next, and at which point: the grid's next point, or the one that a sampler proposes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsweep.sweep import SweepError
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.earlier_trials import WithEarlierTrials
from hwsweep.sweep.search.given_point import matches
from hwsweep.sweep.search.limits import trials_since_best
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.promotion import PausingPruner
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.search.trial_window import TrialWindow
from hwsweep.sweep.study.paused_trials import PausedAsPruned, PausedTrials
from hwsweep.sweep.study.trial_attributes import ADDED, COPY_OF, N_TRIALS, START, WIDENED, trial_params
from hwsweep.sweep.study.trial_counts import Counts
from hwsweep.sweep.study.trial_store import TrialStore

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class NumberedPoint(NamedTuple):
    """A trial's number and its point."""

    number: int
    point: Point


class Proposals:
    """The points of a study's trials, by its plan as users have changed it since the start.

    Args:
        plan: what the command says.
        config: the base configuration, for a custom search space.
        earlier: trials of another study, which a sampler takes for trials before the first one.
    """

    def __init__(
        self, plan: SearchPlan, store: TrialStore, config: DictConfig, earlier: Sequence[FrozenTrial] = ()
    ) -> None:
        self.earlier = earlier
        self.command_plan = self.plan = plan
        self.store = store
        self.config = config
        pruner = sampling.build_pruner(plan.pruner)
        self.pruner = None if isinstance(pruner, PausingPruner) else pruner
        self.paused_trials: PausedTrials | None = None
        """The trials that can be promoted; None without such a pruner."""
        if isinstance(pruner, PausingPruner) and len(plan.directions) == 1:
            self.paused_trials = PausedTrials(store, pruner, plan.directions == ["maximize"])
        self.all_points = plan.all_points()
        self.grid_distributions = {} if plan.points is None else sampling.grid_distributions(plan)
        self.finished_points: dict[int, tuple[Any, ...]] = {}
        self.finished_values: dict[int, float] = {}
        self.changes: tuple[Any, Any] = (None, None)
        """What users have changed, as far as `plan` contains it: the number of trials, and the axes."""

    def update(self) -> SearchPlan:
        """The plan with what users have changed by now."""
        attributes = self.store.study_attributes()
        changes = attributes.get(N_TRIALS), attributes.get(WIDENED)
        if changes != self.changes:
            self.plan = self.command_plan.widened(changes[1] or []).with_total(changes[0])
            self.all_points = self.plan.all_points()
            self.changes = changes
        return self.plan

    def total(self) -> int:
        """How many trials the study will have, those included that users have added; without refused ones."""
        counts = self.store.counts()
        return max(self.plan.total, counts.proposed - counts.refused) + counts.added

    def n_trials_text(self, n_trials: int | None) -> list[str]:
        """A line if a user has set another number of trials than the command has; else none."""
        steered = self.changes[0]
        if steered is None or n_trials in (None, steered):
            return []
        command = f"python -m hwsweep.study {self.store.name} n_trials"
        return [f"n_trials={steered} holds, set by `{command}`, not {n_trials}"]

    def next_index(self) -> int | None:
        """How many trials the plan has proposed; None at the total, without patience, or when no point is left.

        Of a grid it is the place of the next point.
        """
        plan, counts = self.update(), self.store.counts()
        full = counts.proposed - counts.refused >= plan.total
        if full or self._is_exhausted(counts) or self.has_no_patience():
            return None
        return counts.proposed

    def _is_exhausted(self, counts: Counts) -> bool:
        """Whether every point of a finite space has been proposed, or (of a search) added."""
        if self.all_points is None:
            return False
        if self.plan.points is not None or not counts.added:
            return counts.proposed >= len(self.all_points)
        return {tuple(point.items()) for point in self.all_points} <= self._points_before(self.store.n_trials())

    def has_no_patience(self) -> bool:
        """Whether so many trials have ended after the best one that no new one begins."""
        patience, maximize = self.plan.patience, self.plan.directions == ["maximize"]
        return patience is not None and trials_since_best(self.store.trials(), maximize) >= patience

    def is_over(self) -> bool:
        """Whether no trial is left to begin and none is unfinished."""
        return self.next_index() is None and not self.store.unfinished()  # in this order: others begin trials

    def next_grid_point(self) -> NumberedPoint | None:
        """The next new trial, as far as is known; None where a sampler chooses it, or none is left."""
        number = self.store.n_trials()
        if self.plan.points is None or (index := self.next_index()) is None:
            return None
        return NumberedPoint(number, self.plan.points[index])

    def begin_new(self, attributes: dict[str, Any]) -> NumberedPoint | None:
        """The next new trial, running in the storage from now on; None if none is left."""
        if (index := self.next_index()) is None:
            return None
        if self.plan.points is None:
            if index < len(self.plan.start):
                attributes = {**attributes, START: True}
            number = self.store.add({}, {}, attributes)
            return NumberedPoint(number, self._sampled_point(number))
        point = self.plan.points[index]
        distributions = {key: self.grid_distributions[key] for key in point}
        if index < len(self.plan.copies):
            attributes = {**attributes, COPY_OF: self.plan.copies[index]}
        return NumberedPoint(self.store.add(point, distributions, attributes), point)

    def point_of(self, number: int) -> Point:
        """The point of a trial that was begun before."""
        if self.plan.points is None:
            return self._sampled_point(number)
        return self.plan.space.point_of_trial(trial_params(self.store.trial(number)))

    def should_prune(self, number: int, step: int | None) -> bool:
        """Whether the pruner ends or pauses the trial; never with several objectives.

        Args:
            step: the one that the running trial has reported last; None before its first report.
        """
        if len(self.plan.directions) > 1:
            return False
        if self.paused_trials is not None:
            return step is not None and self.paused_trials.pauses(number, step)
        return self.pruner is not None and self.pruner.prune(self.store.study(), self.store.trial(number))

    def is_pausing(self, number: int) -> bool:
        """Whether the pruner has told the trial to pause."""
        return self.paused_trials is not None and self.paused_trials.rung(number) is not None

    def promoted(self) -> list[int]:
        """The trial that its pruner promotes now, which waits for a slot from now on; empty if there is none."""
        if self.paused_trials is None:
            return []
        number = self.paused_trials.promote(no_new_trials=self.next_index() is None)
        return [] if number is None else [number]

    def unpromotable(self) -> list[int]:
        """The paused trials if nothing runs and nothing is left to begin, so that no other trial changes their rank."""
        paused = self.store.paused()
        if self.paused_trials is None or self.store.is_held() or len(paused) < len(self.store.unfinished()):
            return []
        is_last = self.next_index() is None and self.paused_trials.promotable(no_new_trials=True) is None
        return paused if is_last else []

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
        params = trial_params(trial)
        missing = [axis for axis in space.independent_axes if axis.key not in params]
        if any(space.is_swept(axis.key, params) for axis in missing):
            study, proposed = self._propose(number)
            for axis in missing:
                if axis.key in proposed:
                    self.store.set_param(number, axis.key, proposed[axis.key], sampling.distribution(axis))
        if self.plan.custom_search_space is not None:
            suggest = sampling.locate(self.plan.custom_search_space)
            suggest(self.config, Trial(study, self.store.trial_id(number)))
        return space.point_of_trial(trial_params(self.store.trial(number)))

    def _propose(self, number: int) -> tuple[Study, Point]:
        """A point that is not excluded and, in a finite space, new; and the study whose sampler proposed it.

        Raises:
            SweepError: the sampler proposes excluded points only.
        """
        space, given = self.plan.space, self._given(number)
        blank = copy.copy(self.store.trial(number))
        blank.params, blank.distributions = {}, {}  # a sampler then draws the same, whatever is stored already
        tried = self._points_before(number) if self.plan.is_finite else set()
        for attempt in range(sampling.ATTEMPTS):
            study = self._study(number, attempt)
            point = sampling.suggest(study, blank, space, given)
            if tuple(point.items()) not in tried and not space.is_excluded(point):
                return study, point
        listed = [point for point in self.all_points or [] if matches(point, given)]
        untried = next((point for point in listed if tuple(point.items()) not in tried), next(iter(listed), None))
        if untried is None:
            raise SweepError(f"{sampling.ATTEMPTS} suggestions in a row were excluded; loosen `exclude`")
        return study, untried

    def _given(self, number: int) -> Point:
        """The values of this trial that the user gives; empty where the sampler chooses all of them."""
        trial = self.store.trial(number)
        if ADDED in trial.user_attrs:
            return trial_params(trial)
        index = self.store.n_proposed_before(number) if self.plan.start else 0
        return self.plan.start[index] if index < len(self.plan.start) else {}

    def _points_before(self, number: int) -> set[tuple[Any, ...]]:
        """The points of all earlier trials; those of finished trials are computed once."""
        points = set()
        for trial in self.store.trials()[:number]:
            known = self.finished_points.get(trial.number)
            point = known or tuple(self.plan.space.point_of_trial(trial_params(trial)).items())
            if trial.state.is_finished():
                self.finished_points[trial.number] = point
            points.add(point)
        return points

    def _study(self, number: int, attempt: int) -> Study:
        """Optuna's study as the sampler of this trial sees it."""
        storage: Any = self.store.storage
        if self.paused_trials is not None:
            storage = PausedAsPruned(storage)
        if self.earlier:
            storage = WithEarlierTrials(storage, self.earlier)
        if self.plan.history is not None and len(self.plan.directions) == 1:
            maximize = self.plan.directions == ["maximize"]
            storage = TrialWindow(storage, self.plan.history, maximize, self.finished_values)
        return self.store.study(self.sampler(number, attempt), self.pruner, storage)
