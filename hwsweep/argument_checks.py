"""Checks of the values that conf gives to a component; the messages name the key of the command line."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Sequence

import psutil


def check_count(
    key: str, value: object, *, least: int = 1, most: int | None = None, unit: str = "", or_null: bool = False
) -> None:
    """Check that `value` is a whole number from `least` to `most`, or None if `or_null`.

    Args:
        unit: what is counted, in the plural.

    Raises:
        ValueError: it is not.
    """
    if value is None and or_null:
        return
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not (is_count and least <= value and (most is None or value <= most)):  # type: ignore[operator]
        of = f" of {unit}" if unit else ""
        limit = f", at least {least}" if most is None else f" from {least} to {most}"
        raise ValueError(f"`{key}` must be a whole number{of}{limit}{_or_null(or_null)}, but got {value!r}")


def check_number(key: str, value: object, interval: str, *, unit: str = "", or_null: bool = False) -> None:
    """Check that `value` is a finite number in `interval`, such as "[0, 1)" or "(0, inf)", or None if `or_null`.

    Raises:
        ValueError: it is not.
    """
    if value is None and or_null:
        return
    if not _is_in(value, interval):
        low, high = interval[1:-1].split(", ")
        allowed = f"a number in {interval}"
        if high == "inf":
            allowed = f"a finite number {'>=' if interval[0] == '[' else '>'} {low}"
        of = f" ({unit})" if unit else ""
        raise ValueError(f"`{key}` must be {allowed}{of}{_or_null(or_null)}, but got {value!r}")


def check_numbers(key: str, values: object, n: int, interval: str) -> None:
    """Check that `values` is a list of `n` numbers in `interval`.

    Raises:
        ValueError: it is not.
    """
    is_list = isinstance(values, Sequence) and not isinstance(values, str)
    numbers = list(values) if is_list else None  # type: ignore[call-overload]  # ListConfig has a long repr
    if numbers is None or len(numbers) != n or not all(_is_in(value, interval) for value in numbers):
        raise ValueError(f"`{key}` must be a list of {n} numbers in {interval}, but got {numbers or values!r}")


def most_in_memory(n_bytes: int) -> int:
    """How many things of so many bytes fit in this machine's memory."""
    return int(psutil.virtual_memory().total) // n_bytes


def check_choice(key: str, value: object, choices: Sequence[object]) -> None:
    """Check that `value` is one of `choices`.

    Raises:
        ValueError: it is not.
    """
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        names = [str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in choices]
        raise ValueError(f"`{key}` must be {', '.join(names[:-1])} or {names[-1]}, but got {value!r}")


def check_settings(section: str, function: functools.partial[object], n_arguments: int, most: int) -> None:
    """Check the settings that conf gives to a function which is called after training, when an error costs the run.

    An `int` is a whole number from 1 to `most`, or any seed if it is called `seed`; a `float` is finite and >= 0.

    Args:
        n_arguments: how many arguments, without names, the run gives to it.

    Raises:
        ValueError: a setting is missing, unknown or out of range.
    """
    parameters = list(inspect.signature(function.func).parameters.values())[n_arguments:]
    names = [parameter.name for parameter in parameters]
    if unknown := [name for name in function.keywords if name not in names]:
        raise ValueError(
            f"`{section}.{unknown[0]}` is no setting of {section}, which has: {', '.join(names) or 'none'}"
        )
    for parameter in parameters:
        key = f"{section}.{parameter.name}"
        if parameter.name not in function.keywords:
            if parameter.default is inspect.Parameter.empty:
                raise ValueError(f"`{key}` must be set")
            continue
        value = function.keywords[parameter.name]
        if parameter.annotation in (int, "int"):
            is_seed = parameter.name == "seed"
            check_count(key, value, least=0 if is_seed else 1, most=2**63 - 1 if is_seed else most)
        elif parameter.annotation in (float, "float"):
            check_number(key, value, "[0, inf)")


def _is_in(value: object, interval: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value > low or (value == low and interval[0] == "[")
    below = value < high or (value == high and interval[-1] == "]")
    return above and below and abs(value) <= sys.float_info.max


def _or_null(or_null: bool) -> str:
    return ", or null" if or_null else ""
