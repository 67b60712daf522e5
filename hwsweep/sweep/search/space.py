"""The search space: from override strings in Hydra's grammar to axes, points and override strings again."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.axis import Axis, axis_of, distinct
from hwsweep.sweep.search.conditions import Condition, parse
from hwsweep.sweep.trial import Value

Point: TypeAlias = dict[str, Value]
"""A value for each key that is swept at this point, in the order of the command line."""


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

    def tried(self, params: Mapping[str, Value]) -> Point:
        """The point of a trial with these parameters: they, and the values zipped to them."""
        point: Point = {}
        keys = {axis.key for axis in self.axes}
        for key, value in params.items():
            point[key] = value
            if key in keys:
                point.update(self.followers(point, key))
        known = self.complete(point)
        return {**known, **{key: value for key, value in point.items() if key not in known}}

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
