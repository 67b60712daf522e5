"""A point that the user gives, in whole or in part, checked against the search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Point, Space, python_values
from hwsweep.sweep.trial import Value

MAX_VALUES = 20
"""Values of an axis that a message lists."""


def given_point(space: Space, given: Mapping[str, Any]) -> Point:
    """The values that a point has on the independent axes, in their order; a sampler chooses those that are missing.

    Args:
        given: values as YAML has them, by swept key; a `+` before a key counts for nothing.

    Raises:
        SweepError: no point of the space has these values.
    """
    axes = {axis.key.lstrip("+"): axis for axis in space.axes}
    values: Point = {}
    for name, value in given.items():
        if (axis := axes.get(name.lstrip("+"))) is None:
            raise SweepError(f"{name} is not swept; the swept keys are {', '.join(axes) or 'none'}")
        values[axis.key] = _value(axis, value)
    point = {**values, **_rows(space, values)}
    ordered = {axis.key: point[axis.key] for axis in space.independent_axes if axis.key in point}
    if unswept := [key for key in ordered if not space.is_swept(key, ordered)]:
        raise SweepError(f"{unswept[0]} is swept only where {space.when[unswept[0]].text}; give that, too")
    if is_whole(space, ordered) and space.is_excluded(space.point(ordered)):
        raise SweepError("`exclude` leaves it out")
    return ordered


def is_whole(space: Space, point: Point) -> bool:
    """Whether the point has a value on each axis that is swept there."""
    return all(axis.key in point or not space.is_swept(axis.key, point) for axis in space.independent_axes)


def matches(point: Point, given: Point) -> bool:
    """Whether the point has all of the given values."""
    return all(key in point and point[key] == value for key, value in given.items())


def _value(axis: Axis, value: Any) -> Value:
    """The value as the axis has it.

    Raises:
        SweepError: the axis does not have it.
    """
    if axis.values is not None:
        same = [listed for listed in axis.values if _is_same(_python_value(axis.key, listed), value)]
        if same:
            return same[0]
        where = ", ".join(map(str, axis.values[:MAX_VALUES])) + ", ..." * (len(axis.values) > MAX_VALUES)
    else:
        is_number = type(value) is int or (type(value) is float and not axis.integer)
        if is_number and axis.low <= value <= axis.high:
            return int(value) if axis.integer else float(value)
        where = f"{axis.low:g} to {axis.high:g}"
    raise SweepError(f"{axis.key.lstrip('+')}={value} is none of its values: {where}")


def _is_same(listed: Any, value: Any) -> bool:
    """Whether two values are the same; 1 and 1.0 are, but no number is true or false."""
    return bool(listed == value) and isinstance(listed, bool) == isinstance(value, bool)


def _python_value(key: str, listed: Value) -> Any:
    return python_values({key: listed})[key]


def _rows(space: Space, values: Point) -> Point:
    """The values on the first axis of each zip, whose lists advance together.

    Raises:
        SweepError: no row of the lists has the given values, or several have.
    """
    lists, found = {axis.key: axis.values or () for axis in space.axes}, {}
    for group in space.zip:
        given = {key: values[key] for key in group if key in values}
        columns = zip(*(lists[key] for key in group), strict=True)
        rows = [row for row in columns if matches(dict(zip(group, row, strict=True)), given)]
        if given and len(rows) != 1:
            shown = ", ".join(f"{key}={value}" for key, value in given.items())
            raise SweepError(f"{'no row' if not rows else 'more than one row'} of zip ({', '.join(group)}) has {shown}")
        if given:
            found[group[0]] = rows[0][0]
    return found
