"""The plan of a search: which points there are, how many trials, and who proposes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.trial import Value


class SearchPlan(NamedTuple):
    """How the point of the next trial is chosen."""

    space: Space
    points: list[Point] | None
    """The points of a grid: trial n has point n. None if a sampler proposes them."""
    total: int
    """Number of trials."""
    seed: int
    sampler: Mapping[str, Any] | None
    pruner: Mapping[str, Any] | None
    directions: list[Literal["minimize", "maximize"]]
    custom_search_space: str | None
    """Dotted path of a function (config, trial) that suggests further parameters."""
    history: int | None
    """The largest number of finished trials that a sampler looks at; None for all."""
    max_points: int | None
    """The largest number of points that are listed; None for any number."""
    start: Sequence[Point] = ()
    """The values of the first points, in whole or in part; a sampler chooses those that are missing."""
    copies: Sequence[str] = ()
    """The folders of another study's trials that those of this plan begin as copies of, in their order."""
    patience: int | None = None
    """No new trial begins once so many have ended after the best one; None for any number."""

    @property
    def is_finite(self) -> bool:
        """Whether the search has finitely many points: every axis is a list, and no function adds to them."""
        return self.space.is_finite and self.custom_search_space is None

    def all_points(self) -> list[Point] | None:
        """Every point of the search; None if there are infinitely many, or too many to be listed."""
        if self.points is not None:
            return self.points
        return self.space.points() if self.is_finite and self.space.can_be_listed(self.max_points) else None

    def best(self, values: Iterable[float]) -> float | None:
        """The best of these values of the one objective; None without values and for several objectives."""
        if len(self.directions) > 1:
            return None
        return (min if self.directions == ["minimize"] else max)(values, default=None)

    def without(self, refused: list[tuple[int, str]]) -> SearchPlan:
        """The plan of a grid without the points at these indices."""
        indices = {index for index, _ in refused}
        points = [point for index, point in enumerate(self.points or []) if index not in indices]
        copies = [folder for index, folder in enumerate(self.copies) if index not in indices]
        return self._replace(points=points, copies=copies, total=min(self.total, len(points)))

    def widened(self, additions: Iterable[Mapping[str, Sequence[Value]]]) -> SearchPlan:
        """The plan with further values on finite axes. The new points of a grid follow the old ones.

        Args:
            additions: the new values by key, in the order in which users have added them.
        """
        plan = self
        for addition in additions:
            space = plan.space.widened(addition)
            plan = plan._replace(space=space)
            if plan.points is not None:
                points = [point for point in space.points() if any(point.get(key) in addition[key] for key in addition)]
                total = plan.total if plan.total < len(plan.points) else len(plan.points) + len(points)
                plan = plan._replace(points=[*plan.points, *points], total=total)
        return plan

    def with_total(self, n_trials: int | None) -> SearchPlan:
        """The plan with this number of trials, as far as it has so many points; None keeps the number."""
        if n_trials is None:
            return self
        points = self.all_points()
        return self._replace(total=n_trials if points is None else min(n_trials, len(points)))
