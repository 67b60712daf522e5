"""One swept key, parsed from Hydra's grammar: a list of values in order, or an interval."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer

from hwsweep.sweep import SweepError
from hwsweep.sweep.trial import Value


class Axis(NamedTuple):
    """One swept key: either the list of its values in order, or an interval."""

    key: str
    values: tuple[Value, ...] | None
    low: float = 0
    high: float = 0
    step: float | None = None
    """Between the values of a range; None for a choice or an interval."""
    log: bool = False
    integer: bool = False


def axis_of(override: Override, rng: random.Random) -> Axis:
    """The axis written by one sweep override; `rng` puts shuffled lists in order."""
    key, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None and sweep.end is not None
        integer = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        if not sweep.start < sweep.end:
            raise SweepError(f"an interval must begin before it ends, but got {override.input_line}")
        # Hydra's intervals exclude their end: the last integer is one less
        high = sweep.end - 1 if integer else sweep.end
        return Axis(key, None, sweep.start, high, log="log" in sweep.tags, integer=integer)
    override = _unshuffled(override)
    values = tuple(_value(item) for item in override.sweep_iterator(transformer=Transformer.identity))
    if not values:
        raise SweepError(f"{override.input_line} stands for no value at all")
    if getattr(sweep, "shuffle", False):
        values = tuple(rng.sample(values, len(values)))
    if isinstance(sweep, RangeSweep) and not sweep.shuffle and len(values) > 1:
        low, high = sorted((float(values[0]), float(values[-1])))
        integer = all(isinstance(value, int) for value in values)
        step = abs(float(sweep.step))
        return Axis(key, values, low, high, step, "log" in sweep.tags, integer)
    return Axis(key, values)


def _unshuffled(override: Override) -> Override:
    """A copy that lists its values in the order written: Hydra shuffles with the global generator."""
    sweep = override.value()
    if getattr(sweep, "shuffle", False):
        plain = OverridesParser.create(config_loader=override.config_loader)
        copied: Override = plain.parse_override(override.input_line or "")
        copied._value.shuffle = False  # type: ignore[union-attr]
        return copied
    return override


def _value(item: Any) -> Value:
    """An element as Optuna keeps it: numbers and booleans as they are, everything else as override text."""
    return item if isinstance(item, (bool, int, float)) else Transformer.str(item)


def distinct(axis: Axis) -> Axis:
    """The axis without repeated values; as texts where two differ in type only (1 and 1.0 and true)."""
    by_text = {str(value): value for value in axis.values or ()}
    if axis.values is None or len(by_text) == len(axis.values) == len(set(axis.values)):
        return axis
    return axis._replace(values=tuple(by_text if len(set(by_text.values())) < len(by_text) else by_text.values()))
