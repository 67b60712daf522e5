"""The position of a parameter's values on an axis: numbers by size or logarithm, listed values at even distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.search.trials import label
from hwsweep.sweep.study.view import StudyView, TrialView

_MAX_LISTED = 12  # values at even distances; more numbers than that are placed by size
_MAX_TICKS = 6
_MARGIN = 0.05  # of the axis, at both ends


class Scale(NamedTuple):
    """An axis with linear positions and ticks that name them."""

    positions: Float64[np.ndarray, " trials"]
    """Log10 of the value on a logarithmic scale, the index of a listed value; NaN without a value."""
    low: float
    high: float
    ticks: Float64[np.ndarray, " ticks"]
    labels: np.ndarray
    listed: bool

    def show_on(self, axis: Axis) -> None:
        """Set limits and ticks of one side of a plot."""
        margin = 0.5 if self.listed else _MARGIN * (self.high - self.low or 1)
        axis.set_view_interval(self.low - margin, self.high + margin, ignore=True)
        axis.set_ticks(list(self.ticks), [str(label) for label in self.labels])
        longest = max((len(str(label)) for label in self.labels), default=0)
        if isinstance(axis, XAxis) and longest * len(self.labels) > 20:
            axis.set_tick_params(rotation=90 if len(self.labels) > _MAX_TICKS else 45, labelsize=7)


def scale_of(view: StudyView, trials: Sequence[TrialView], key: str) -> Scale:
    """The scale of one parameter: listed if its values are few or not numbers."""
    known = [trial.params[key] for trial in trials if key in trial.params]
    if all(map(_is_number, known)) and (view.axes.get(key) is None or len(set(known)) > _MAX_LISTED):
        numbers = np.array([trial.params.get(key, math.nan) for trial in trials], dtype=np.float64)
        return scale_of_numbers(numbers, key in view.log_keys)
    texts = [_text(trial.params[key]) if key in trial.params else None for trial in trials]
    return _listed(texts, [_text(value) for value in _ordered(known)])


def scale_of_numbers(values: Float64[np.ndarray, " trials"], log: bool) -> Scale:
    """The scale of numbers; NaN where a trial has none."""
    log = log and bool((values[~np.isnan(values)] > 0).all())
    positions = np.log10(values) if log else values
    low, high = float(np.nanmin(positions)), float(np.nanmax(positions))
    at = _powers(low, high) if log else MaxNLocator(4).tick_values(low, high)
    at = [tick for tick in at if low - 1e-9 <= tick <= high + 1e-9]
    labels = [f"{10**tick if log else tick:.6g}" for tick in at]
    return Scale(positions, low, high, np.array(at, dtype=np.float64), np.array(labels), False)


def _powers(low: float, high: float) -> list[float]:
    """Log10 of 1, 2, 5, 10, ... within the range; where those are too many, of 1, 10, 100, ... or fewer."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    fine = [decade + math.log10(digit) for decade in decades for digit in (1, 2, 5)]
    if sum(low <= tick <= high for tick in fine) <= _MAX_TICKS:
        return fine
    return [float(decade) for decade in decades][:: math.ceil(len(decades) / _MAX_TICKS)]


def _listed(texts: Sequence[str | None], order: Sequence[str]) -> Scale:
    """An index for each text of `order`."""
    index = {text: float(i) for i, text in enumerate(dict.fromkeys(order))}
    positions = np.array([math.nan if text is None else index[text] for text in texts])
    labels = np.array([label(text) for text in index])
    return Scale(positions, 0.0, float(len(index) - 1), np.arange(len(index), dtype=np.float64), labels, True)


def _ordered(values: Sequence[Any]) -> Sequence[Any]:
    """Numbers by size; other values in the given order."""
    return sorted(values) if all(map(_is_number, values)) else values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """The value about as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if _is_number(value) else str(value)
