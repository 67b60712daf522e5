"""The search space: from override strings in Hydra's grammar to axes, points and override strings again."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.expression import Condition, parse

Value: TypeAlias = "str | int | float | bool"
"""A swept value as Optuna keeps it; a string is the text that stands after `key=` in an override."""
Point: TypeAlias = dict[str, Value]
"""A value for each key that is swept at this point, in the order of the command line."""


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


class Space(NamedTuple):
    """What a sweep searches."""

    axes: list[Axis]
    fixed: list[str]
    """Overrides that are the same in every trial."""
    zip: list[list[str]]
    exclude: list[Condition]
    when: dict[str, Condition]
    base: Mapping[str, Any]
    """Values of the keys that conditions name and that are not swept."""

    @property
    def finite(self) -> bool:
        """Whether every axis is a list."""
        return all(axis.values is not None for axis in self.axes)

    def swept(self, key: str, point: Point) -> bool:
        """Whether the key is swept at this (perhaps still incomplete) point."""
        return key not in self.when or self.when[key].holds({**self.base, **readable(point)})

    def excluded(self, point: Point) -> bool:
        """Whether the point is left out."""
        values = {**self.base, **readable(point)}
        return any(condition.holds(values) for condition in self.exclude)

    def followers(self, point: Point, key: str) -> Point:
        """The values that keys zipped behind `key` take when it has its value of the point."""
        axes = {axis.key: axis.values or () for axis in self.axes}
        for group in self.zip:
            if group[0] == key:
                index = axes[key].index(point[key])
                return {other: axes[other][index] for other in group[1:]}
        return {}

    def leaders(self) -> list[Axis]:
        """The axes that are chosen freely: keys zipped behind another are not."""
        behind = {key for group in self.zip for key in group[1:]}
        return [axis for axis in self.axes if axis.key not in behind]

    def points(self) -> list[Point]:
        """Every point of a finite space once, in command-line order (the last axis runs fastest)."""
        return list({tuple(point.items()): point for point in self._product()}.values())

    def _product(self) -> Iterator[Point]:
        leaders = self.leaders()
        for values in itertools.product(*(axis.values or () for axis in leaders)):
            chosen: Point = {}
            for axis, value in zip(leaders, values, strict=True):
                chosen[axis.key] = value
                chosen.update(self.followers(chosen, axis.key))
            point = self.complete(chosen)
            if not self.excluded(point):
                yield point

    def complete(self, chosen: Point) -> Point:
        """The chosen values in the order of the axes, without keys that are not swept there."""
        ordered = {axis.key: chosen[axis.key] for axis in self.axes if axis.key in chosen}
        return {key: value for key, value in ordered.items() if self.swept(key, ordered)}

    def overrides(self, point: Point) -> list[str]:
        """The override strings of one trial, fixed ones first."""
        return [*self.fixed, *(f"{key}={value}" for key, value in point.items())]


def readable(point: Point) -> dict[str, Any]:
    """The point's values as a condition compares them: without quotes, null as None."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in point.items()}


@functools.cache
def plain(text: str) -> Any:
    """The value written by an override's text."""
    return OverridesParser.create().parse_override(f"x={text}").value()


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


def build_space(
    lines: list[str],
    loader: ConfigLoader,
    zipped: list[list[str]],
    exclude: list[str],
    when: Mapping[str, str],
    config: DictConfig,
    seed: int,
) -> Space:
    """The space written in override strings; a later line for the same key replaces an earlier one.

    Args:
        config: the composed base configuration, for keys that conditions name and that are not swept.

    Raises:
        SweepError: an empty axis, lists of unequal length in `zip`, a condition that is none.
    """
    parsed: list[Override] = OverridesParser.create(config_loader=loader).parse_overrides(lines)
    overrides = {override.get_key_element(): override for override in parsed}
    rng = random.Random(seed)
    axes = [axis_of(override, rng) for override in overrides.values() if override.is_sweep_override()]
    fixed = [line.input_line or "" for line in overrides.values() if not line.is_sweep_override()]
    groups = [zip_group(group, axes) for group in zipped]
    in_step = set(itertools.chain(*groups))
    axes = [axis if axis.key in in_step else distinct(axis) for axis in axes]
    keys = [axis.key for axis in axes]
    if unknown := set(when) - set(keys):
        raise SweepError(f"`when` names {', '.join(sorted(unknown))}, but swept are {', '.join(keys)}")
    conditions = [parse(text, keys) for text in exclude]
    swept_when = {key: parse(text, keys) for key, text in when.items()}
    base = base_values([*conditions, *swept_when.values()], keys, config)
    return Space(axes, fixed, groups, conditions, swept_when, base)


def zip_group(group: list[str], axes: list[Axis]) -> list[str]:
    """The keys of one zip, one without repeated values first: its value tells which row is meant."""
    values = {axis.key: axis.values or () for axis in axes}
    lengths = {key: len(values.get(key, ())) for key in group}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        shown = ", ".join(f"{key}: {n or 'not a swept list'}" for key, n in lengths.items())
        raise SweepError(f"zipped keys must be swept lists of the same length, but got {shown}")
    for key in group:
        if len(set(values[key])) == lengths[key]:
            return [key, *(other for other in group if other != key)]
    raise SweepError(f"one of the zipped keys {', '.join(group)} must not repeat a value; merge equal rows")


def base_values(conditions: list[Condition], keys: list[str], config: DictConfig) -> dict[str, Any]:
    """What the configuration says of the keys that conditions name and that are not swept."""
    names = {key for condition in conditions for key in condition.names.values()} - set(keys)
    choices = config.hydra.runtime.choices
    values = {name: choices.get(name) or OmegaConf.select(config, name) for name in names}
    groups_swept = any(key in choices for key in keys)  # another group may bring the key
    unknown = sorted(name for name, value in values.items() if value is None)
    if unknown and not groups_swept:
        raise SweepError(f"a condition names {', '.join(unknown)}, which the configuration does not have")
    return values
