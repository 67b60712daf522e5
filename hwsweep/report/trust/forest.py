"""A random forest over the trials, with its partial dependence and the ablation path that it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsweep.report.trust.importance import Column

MAX_CURVES = 40
"""Trials whose own curve is computed and drawn."""
_TREES, _PLACES, _MIN_LEAF = 100, 25, 3
_BAND = (0.05, 0.95)  # quantiles over the trees


class Dependence(NamedTuple):
    """The prediction as one key changes and the others stay; at each place a number."""

    places: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """The middle 90 % of the single trees' partial dependences."""
    curves: NDArray[np.float64]
    """A row for each of some trials."""


class Step(NamedTuple):
    """One change on the path from a point to another."""

    column: int
    prediction: float
    """After the change."""


class Forest:
    """A random forest with one input for each number and one for each category."""

    def __init__(self, columns: Sequence[Column], target: NDArray[np.float64]) -> None:
        from sklearn.ensemble import RandomForestRegressor  # takes a second

        self._columns = columns
        self._points = np.stack([column.values for column in columns], axis=1)
        self._forest = RandomForestRegressor(_TREES, min_samples_leaf=_MIN_LEAF, random_state=0, n_jobs=1)
        self._forest.fit(self._inputs(self._points), target)

    def predict(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of the trees at these points (a row each)."""
        return np.asarray(self._forest.predict(self._inputs(points)))

    def dependence(self, index: int) -> Dependence:
        """The partial dependence (Friedman 2001) on a column, and individual curves (Goldstein et al. 2015)."""
        n = self._columns[index].n_categories
        places = np.arange(float(n)) if n else np.linspace(0, 1, _PLACES)
        chosen = np.unique(np.linspace(0, len(self._points) - 1, MAX_CURVES).round().astype(int))
        points = np.repeat(self._points[chosen], len(places), axis=0)
        points[:, index] = np.tile(places, len(chosen))
        inputs = self._inputs(points).astype(np.float32)
        trees = np.stack([tree.predict(inputs) for tree in self._forest.estimators_])
        trees = trees.reshape(len(trees), len(chosen), len(places))
        low, high = np.quantile(trees.mean(axis=1), _BAND, axis=0)
        return Dependence(places, trees.mean(axis=(0, 1)), low, high, trees.mean(axis=0))

    def ablation(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[float, list[Step]]:
        """The prediction at `start` and the steps to `end`; each is the change with the lowest prediction.

        Fawcett & Hoos (2016) run each step; here the forest predicts it.
        """
        point, steps = start.copy(), []
        first = float(self.predict(point[None])[0])
        left = [index for index in range(len(start)) if start[index] != end[index]]
        while left:
            points = np.repeat(point[None], len(left), axis=0)
            points[np.arange(len(left)), left] = end[left]
            predictions = self.predict(points)
            best = int(predictions.argmin())
            point = points[best]
            steps.append(Step(left.pop(best), float(predictions[best])))
        return first, steps

    def _inputs(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [
            (points[:, [index]] == np.arange(column.n_categories)).astype(float)
            if column.n_categories
            else points[:, [index]]
            for index, column in enumerate(self._columns)
        ]
        return np.hstack(parts)
