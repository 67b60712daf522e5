"""The search space: from override strings in Hydra's grammar to axes, points and override strings again."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.hydra_internals import null_choice
from hwsweep.sweep.search.axis import Axis, drop_duplicates, listed, parse_axis
from hwsweep.sweep.search.conditions import Condition, parse_condition
from hwsweep.sweep.trial import Value

Point: TypeAlias = dict[str, Value]
"""A value for each key that is swept at this point, in the order of the command line."""


class Space(NamedTuple):
    """What a sweep searches."""

    axes: list[Axis]
    fixed: list[str]
    """Overrides that are the same in every trial."""
    zip: list[list[str]]
    """Groups of keys whose lists go in step; the first key of a group determines the values of the others."""
    exclude: list[Condition]
    when: dict[str, Condition]
    config_values: Mapping[str, Any]
    """Values of fixed overrides, and of the keys that conditions name and that are not swept."""

    @property
    def is_finite(self) -> bool:
        """Whether every axis is a list."""
        return all(axis.values is not None for axis in self.axes)

    @property
    def independent_axes(self) -> list[Axis]:
        """The axes whose values are chosen freely: all but those that a zip determines."""
        dependent = {key for group in self.zip for key in group[1:]}
        return [axis for axis in self.axes if axis.key not in dependent]

    @property
    def n_combinations(self) -> int:
        """How many points a finite space has, those that `exclude` leaves out and repeated ones included."""
        return math.prod(len(axis.values or ()) for axis in self.independent_axes)

    def can_be_listed(self, max_points: int | None) -> bool:
        """Whether the space is finite and has at most so many points."""
        return self.is_finite and (max_points is None or self.n_combinations <= max_points)

    def has_axis(self, key: str) -> bool:
        """Whether the key is swept at any point."""
        return key in {axis.key.lstrip("+") for axis in self.axes}

    def is_swept(self, key: str, point: Point) -> bool:
        """Whether the key is swept at this (perhaps still incomplete) point."""
        return key not in self.when or self._is_true(self.when[key], point)

    def is_excluded(self, point: Point) -> bool:
        """Whether `exclude` leaves the point out."""
        return any(self._is_true(condition, point) for condition in self.exclude)

    def _is_true(self, condition: Condition, point: Point) -> bool:
        return condition.is_true({**self.config_values, **python_values(point)})

    def points(self) -> list[Point]:
        """Every point of a finite space once, in command-line order (the last axis runs fastest)."""
        return list({tuple(point.items()): point for point in self._product()}.values())

    def _product(self) -> Iterator[Point]:
        axes = self.independent_axes
        for values in itertools.product(*(axis.values or () for axis in axes)):
            point = self.point({axis.key: value for axis, value in zip(axes, values, strict=True)})
            if not self.is_excluded(point):
                yield point

    def point(self, values: Mapping[str, Value]) -> Point:
        """The point where the independent axes have these values: with zipped values, without keys not swept there."""
        lists = {axis.key: axis.values or () for axis in self.axes}
        whole = dict(values)
        for first, *others in self.zip:
            if values.get(first) in lists[first]:  # else a user gives all of them
                row = lists[first].index(values[first])
                whole |= {key: lists[key][row] for key in others if key not in values}
        ordered = {key: whole[key] for key in lists if key in whole}
        return {key: value for key, value in ordered.items() if self.is_swept(key, ordered)}

    def point_of_trial(self, params: Mapping[str, Value]) -> Point:
        """The point of a trial with these parameters; those that a custom search space added come last."""
        point = self.point(params)
        return {**point, **{key: value for key, value in params.items() if key not in point}}

    def widened(self, additions: Mapping[str, Sequence[Value]]) -> Space:
        """The space with these further values, by key, at the end of its lists."""
        return self._replace(axes=[axis.widened(additions.get(axis.key, ())) for axis in self.axes])

    def overrides(self, point: Point) -> list[str]:
        """The override strings of one trial, fixed ones first."""
        return [*self.fixed, *(f"{key}={value}" for key, value in point.items())]


def python_values(point: Point) -> dict[str, Any]:
    """The point's values as a condition compares them: texts without quotes, null as None."""
    return {key: _parse_value(value) if isinstance(value, str) else value for key, value in point.items()}


@functools.cache
def _parse_value(text: str) -> Any:
    return OverridesParser.create().parse_override(f"x={text}").value()


def build_space(
    lines: list[str],
    loader: ConfigLoader,
    zipped: list[list[str]],
    exclude: list[str],
    when: Mapping[str, str],
    config: DictConfig,
    seed: int,
    max_points: int | None,
) -> Space:
    """The space written in override strings; a later line for the same key replaces an earlier one.

    Args:
        config: the composed base configuration, for keys that conditions name and that are not swept.
        max_points: the largest number of values of an axis that is a list.

    Raises:
        SweepError: an axis that is empty or too long, lists of unequal length in `zip`, or an invalid condition.
    """
    overrides = _by_key(OverridesParser.create(config_loader=loader).parse_overrides(lines))
    if message := null_choice(overrides.values(), loader):
        raise SweepError(message)
    rng = random.Random(seed)
    axes = [parse_axis(override, rng, max_points) for override in overrides.values() if override.is_sweep_override()]
    if all(axis.values is not None or axis.integer for axis in axes):
        axes = [listed(axis, max_points) for axis in axes]  # only integers: the space is finite
    fixed = [line.input_line or "" for line in overrides.values() if not line.is_sweep_override()]
    written = {axis.key.lstrip("+"): axis.key for axis in axes}  # +x is called x in the configuration
    groups = [_zip_group([written.get(key, key) for key in group], axes) for group in zipped]
    when = {written.get(key, key): condition for key, condition in when.items()}
    zipped_keys = set(itertools.chain(*groups))
    axes = [axis if axis.key in zipped_keys else drop_duplicates(axis) for axis in axes]
    keys = [axis.key for axis in axes]
    if unknown := set(when) - set(keys):
        raise SweepError(f"`when` names {', '.join(sorted(unknown))}, but the swept keys are {', '.join(keys)}")
    exclusions = [parse_condition(text, keys) for text in exclude]
    conditions = {key: parse_condition(text, keys) for key, text in when.items()}
    names = {key for condition in [*exclusions, *conditions.values()] for key in condition.names.values()}
    values = {key: override.value() for key, override in overrides.items() if not override.is_sweep_override()}
    known = {**values, **_config_values(names - {*keys, *values}, keys, config)}
    return Space(axes, fixed, groups, exclusions, conditions, known)


def _by_key(overrides: list[Override]) -> dict[str, Override]:
    """The overrides by the key that they set, the latest for each.

    Raises:
        SweepError: a key has two overrides with dictionaries, whose keys Hydra would add up.
    """
    latest: dict[str, Override] = {}
    for override in overrides:
        key = override.get_key_element().lstrip("+")
        if key in latest and _has_dictionary(override) and _has_dictionary(latest[key]):
            raise SweepError(
                f"{key} has two overrides with dictionaries, {latest[key].input_line} and {override.input_line}; "
                f"write one, or the keys one by one: +{key}.x=1,2"
            )
        latest[key] = override
    return latest


def _has_dictionary(override: Override) -> bool:
    value = override.value()
    return any(isinstance(item, dict) for item in (value.list if isinstance(value, ChoiceSweep) else [value]))


def _zip_group(group: list[str], axes: list[Axis]) -> list[str]:
    """The keys of one zip, reordered so that the values of the first do not repeat: its value determines the row."""
    values = {axis.key: axis.values or () for axis in axes}
    lengths = {key: len(values.get(key, ())) for key in group}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        listing = ", ".join(f"{key}: {n or 'not a swept list'}" for key, n in lengths.items())
        raise SweepError(f"zipped keys must be swept lists of the same length, but got {listing}")
    for key in group:
        if len(set(values[key])) == lengths[key]:
            return [key, *(other for other in group if other != key)]
    raise SweepError(f"one of the zipped keys {', '.join(group)} must not repeat a value; merge equal rows")


def _config_values(names: set[str], swept: list[str], config: DictConfig) -> dict[str, Any]:
    """The values that the configuration has for these keys; None where a swept config group may bring the key."""
    choices = config.hydra.runtime.choices
    values = {name: choices.get(name) or OmegaConf.select(config, name) for name in names}
    unknown = sorted(name for name, value in values.items() if value is None)
    if unknown and not any(key in choices for key in swept):
        raise SweepError(f"a condition names {', '.join(unknown)}, which the configuration does not have")
    return values
