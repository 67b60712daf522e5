"""Checks of the values that conf gives to a data set."""

from __future__ import annotations


def check_count(key: str, value: object, unit: str, least: int, *, or_null: bool) -> None:
    """Check that `value` is a whole number of at least `least`, or None if `or_null`.

    Raises:
        ValueError: it is not.
    """
    if or_null and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        null = ", or null" if or_null else ""
        raise ValueError(f"`{key}` must be a whole number of {unit}, at least {least}{null}, but got {value!r}")


def check_number(key: str, value: object, low: float, high: float, unit: str) -> None:
    """Check that `value` is a number in [low, high].

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"`{key}` must be a number from {low} to {high} ({unit}), but got {value!r}")
