"""The plan of a search: which points there are, how many trials, and who proposes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from hwsweep.sweep.search.space import Point, Space


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
        return self._replace(points=points, total=min(self.total, len(points)))
