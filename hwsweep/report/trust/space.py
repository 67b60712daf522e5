"""The swept keys of a study as columns of numbers: places in the search space, or categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsweep.report.trust.importance import Column
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

MAX_CATEGORIES = 12
"""Listed values beyond which numbers are a scale."""


class Key(NamedTuple):
    """A swept key."""

    name: str
    low: float
    high: float
    """The bounds of a number, or NaN."""
    is_log: bool
    categories: tuple[object, ...] = ()
    """The listed values; empty for a number."""

    def places(self, values: Sequence[object]) -> NDArray[np.float64]:
        """From 0 to 1 in the search space, or the number of the category; values outside are moved to the bound.

        Raises:
            ValueError: not a number, or not a listed category.
        """
        if self.categories:
            return np.array([self.categories.index(value) for value in values], dtype=np.float64)
        if not all(_is_number(value) for value in values):
            raise ValueError(f"`{self.name}` must be a number")
        low, high = (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)
        numbers = np.array(values, dtype=np.float64)
        numbers = np.log(np.maximum(numbers, self.low)) if self.is_log else numbers
        return np.asarray(np.clip((numbers - low) / (high - low), 0, 1))

    def is_outside(self, value: object) -> bool:
        """Whether a number lies outside of the bounds."""
        return not self.categories and _is_number(value) and not self.low <= float(str(value)) <= self.high

    def values(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """The numbers at these places."""
        if self.is_log:
            return np.asarray(self.low * (self.high / self.low) ** places)
        return self.low + (self.high - self.low) * places


def keys_of(view: StudyView, trials: Sequence[TrialView]) -> list[Key]:
    """The swept keys that every one of the trials has, and that differ between them."""
    names = [name for name in view.axes if all(name in trial.params for trial in trials)]
    keys = [_key(view, name, [trial.params[name] for trial in trials]) for name in names]
    return [key for key in keys if len(key.categories) != 1 and key.low != key.high]


def columns_of(keys: Sequence[Key], trials: Sequence[TrialView]) -> list[Column]:
    """The places of the trials, a column for each key."""
    return [
        Column(key.name, key.places([trial.params[key.name] for trial in trials]), len(key.categories)) for key in keys
    ]


def _key(view: StudyView, name: str, values: Sequence[object]) -> Key:
    is_number = all(map(_is_number, values))
    tried = list(dict.fromkeys(values))
    if not is_number or (view.axes[name] is not None and len(tried) <= MAX_CATEGORIES):
        ordered = sorted(tried, key=lambda value: float(str(value))) if is_number else sorted(tried, key=str)
        return Key(name, math.nan, math.nan, False, tuple(ordered))
    numbers = [float(str(value)) for value in values]
    records = [trial.record for trial in view.trials if trial.record is not None]
    spreads = [record.distributions[name] for record in records if name in record.distributions]
    bounds = [float(b) for s in spreads for b in (getattr(s, "low", None), getattr(s, "high", None)) if b is not None]
    low, high = min([*numbers, *bounds]), max([*numbers, *bounds])
    return Key(name, low, high, name in view.log_keys and low > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
