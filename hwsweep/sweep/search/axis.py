"""One swept key, parsed from Hydra's grammar: a list of values in order, or an interval."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer

from hwsweep.files import without_passwords
from hwsweep.sweep import SweepError
from hwsweep.sweep.trial import Value


class Axis(NamedTuple):
    """One swept key: either the list of its values in order, or an interval."""

    key: str
    values: tuple[Value, ...] | None
    """None for an interval."""
    low: float = 0
    """The smallest value of an interval or a range; as `high`, meaningless for any other list."""
    high: float = 0
    step: float | None = None
    """Between the values of a range; None for any other list and for an interval."""
    log: bool = False
    integer: bool = False

    def widened(self, values: Sequence[Value]) -> Axis:
        """The axis with these values at the end of its list; it is no range then."""
        if not values:
            return self
        return Axis(self.key, (*(self.values or ()), *values))


def parse_axis(override: Override, rng: random.Random, max_values: int | None) -> Axis:
    """The axis written by one sweep override; `rng` orders shuffled lists.

    Raises:
        SweepError: the list or the interval is empty, infinite, too long, or begins at 0 on a logarithmic scale.
    """
    key, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, IntervalSweep):
        return _interval(key, sweep, override.input_line)
    if isinstance(sweep, RangeSweep):
        _check_range(sweep, override.input_line, max_values)
    values = tuple(item if isinstance(item, bool | int | float) else Transformer.str(item) for item in _items(override))
    if not values:
        raise SweepError(f"{override.input_line} contains no value")
    if secret := [str(value) for value in values if without_passwords(str(value)) != str(value)]:
        shown = without_passwords(secret[0].replace("\\:", ":"))
        raise SweepError(
            f"a study stores the values of {key}, and {shown} holds a password; "
            "write '${oc.env:NAME}' for each, with NAME in the environment"
        )
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        return Axis(key, tuple(rng.sample(values, len(values))))
    if isinstance(sweep, RangeSweep) and len(values) > 1:
        low, high = sorted((float(values[0]), float(values[-1])))
        integer = all(isinstance(value, int) for value in values)
        return Axis(key, values, low, high, abs(float(sweep.step)), "log" in sweep.tags, integer)
    return Axis(key, values)


def _interval(key: str, sweep: IntervalSweep, line: str | None) -> Axis:
    start, end = sweep.start, sweep.end
    assert start is not None and end is not None
    integer, log = isinstance(start, int) and isinstance(end, int), "log" in sweep.tags
    if integer and start >= end:  # Hydra has cut the ends of int(interval(0.2, 0.7))
        raise SweepError(
            f"no whole number is left in {line}: its ends are cut to {start} and {end}, and the end does not count"
        )
    if not (start < end and math.isfinite(end - start)):
        raise SweepError(f"an interval must have finite ends and begin before it ends, but got {line}")
    if log and start <= 0:
        raise SweepError(f"a logarithmic scale must begin above 0, but got {line}")
    # Hydra's intervals exclude their end: the last integer is one less
    return Axis(key, None, start, end - 1 if integer else end, log=log, integer=integer)


def _check_range(sweep: RangeSweep, line: str | None, max_values: int | None) -> None:
    """Count the values before there is a list of them.

    Raises:
        SweepError: the range does not end, is too long, or begins at 0 on a logarithmic scale.
    """
    assert sweep.start is not None and sweep.stop is not None
    if sweep.step == 0 or not all(map(math.isfinite, (sweep.start, sweep.stop, sweep.step))):
        raise SweepError(f"a range must have finite ends and a step other than 0, but got {line}")
    n_values = (sweep.stop - sweep.start) / sweep.step
    if max_values is not None and n_values > max_values:
        raise SweepError(
            f"{line} has {n_values:,.0f} values, more than hydra.sweeper.max_points={max_values}; "
            "write int(interval(...)) and set hydra.sweeper.n_trials"
        )
    if "log" in sweep.tags and min(sweep.start, sweep.stop) <= 0:
        raise SweepError(f"a logarithmic scale must begin above 0, but got {line}")


def listed(axis: Axis, max_values: int | None) -> Axis:
    """An interval of integers as the list of them, unless it is too long; any other axis as it is."""
    n_values = int(axis.high - axis.low) + 1
    if axis.values is not None or not axis.integer or (max_values is not None and n_values > max_values):
        return axis
    return axis._replace(values=tuple(range(int(axis.low), int(axis.high) + 1)), step=1)


def _items(override: Override) -> Iterable[Any]:
    """The items of a list in the order written; Hydra's own iterator shuffles with the global random generator."""
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        return sweep.list
    return sweep.range() if isinstance(sweep, RangeSweep) else override.sweep_iterator()


def drop_duplicates(axis: Axis) -> Axis:
    """The axis with each value once; values that differ in type only (1, 1.0, true) become texts."""
    by_text = {str(value): value for value in axis.values or ()}
    if axis.values is None or len(by_text) == len(axis.values) == len(set(axis.values)):
        return axis
    return axis._replace(values=tuple(by_text if len(set(by_text.values())) < len(by_text) else by_text.values()))
