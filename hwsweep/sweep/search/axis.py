"""One swept key, parsed from Hydra's grammar: a list of values in order, or an interval."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer

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


def parse_axis(override: Override, rng: random.Random) -> Axis:
    """The axis written by one sweep override; `rng` orders shuffled lists.

    Raises:
        SweepError: the list or the interval is empty.
    """
    key, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None and sweep.end is not None
        integer = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        if not sweep.start < sweep.end:
            raise SweepError(f"an interval must begin before it ends, but got {override.input_line}")
        # Hydra's intervals exclude their end: the last integer is one less
        high = sweep.end - 1 if integer else sweep.end
        return Axis(key, None, sweep.start, high, log="log" in sweep.tags, integer=integer)
    values = tuple(item if isinstance(item, bool | int | float) else Transformer.str(item) for item in _items(override))
    if not values:
        raise SweepError(f"{override.input_line} contains no value")
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        return Axis(key, tuple(rng.sample(values, len(values))))
    if isinstance(sweep, RangeSweep) and len(values) > 1:
        low, high = sorted((float(values[0]), float(values[-1])))
        integer = all(isinstance(value, int) for value in values)
        return Axis(key, values, low, high, abs(float(sweep.step)), "log" in sweep.tags, integer)
    return Axis(key, values)


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
