"""Checks of the values that conf gives to a component; the messages name the key of the command line."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import get_args, get_origin

import psutil

MAX_COUNT = 1_000_000_000
"""Where a count has no limit of its own: more than any run can do, and less than what overflows in a library."""
MAX_NUMBER = 3.4e38
"""Beyond it a number is infinite in single precision."""


def check_count(
    key: str, value: object, *, least: int = 1, most: int | None = None, unit: str = "", or_null: bool = False
) -> None:
    """Check that `value` is a whole number from `least` to `most`, or None if `or_null`.

    Args:
        most: without it, `MAX_COUNT`.
        unit: what is counted, in the plural.

    Raises:
        ValueError: it is not.
    """
    if value is None and or_null:
        return
    highest = MAX_COUNT if most is None else most
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not (is_count and least <= value <= highest):  # type: ignore[operator]
        of = f" of {unit}" if unit else ""
        is_too_many = is_count and value > highest  # type: ignore[operator]
        limit = f" from {least} to {highest}" if most is not None or is_too_many else f", at least {least}"
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
            if isinstance(value, int | float) and MAX_NUMBER < value < math.inf:
                allowed += f" and at most {MAX_NUMBER:g}"
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
                raise ValueError(
                    f"`{key}` must be set; if another version of hwsweep wrote this config, use that version"
                )
            continue
        value = function.keywords[parameter.name]
        if parameter.annotation in (int, "int"):
            is_seed = parameter.name == "seed"
            check_count(key, value, least=0 if is_seed else 1, most=2**63 - 1 if is_seed else most)
        elif parameter.annotation in (float, "float"):
            check_number(key, value, "[0, inf)")


TYPES: dict[object, str] = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
"""The types that a setting can have beside those of sections and lists, in the words of a message."""


def parameter_types(function: Callable[..., object]) -> dict[str, tuple[object, ...]] | None:
    """The types that each parameter can have; None where one is imported by a type checker only."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except NameError:
        return None
    by_name = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    kinds = {
        parameter.name: parameter.annotation for parameter in by_name if parameter.kind is not parameter.VAR_POSITIONAL
    }
    return {name: get_args(kind) if isinstance(kind, UnionType) else (kind,) for name, kind in kinds.items()}


def is_object(kind: object) -> bool:
    """Whether it is the type of a function, or a class of hwsweep: what a section with `_target_` describes."""
    return get_origin(kind) is Callable or str(getattr(kind, "__module__", "")).startswith("hwsweep.")


def check_type(key: str, value: object, kinds: tuple[object, ...]) -> None:
    """Check that `value` is of one of these types, if all of them are `TYPES` or None; an empty text is none.

    Raises:
        ValueError: it is not.
    """
    if not {*TYPES, NoneType}.issuperset(kinds):
        return
    allowed = {*kinds, int} if float in kinds else kinds
    if type(value) not in allowed or value == "":
        words = [words for kind, words in TYPES.items() if kind in kinds]
        raise ValueError(f"`{key}` must be {' or '.join(words)}{_or_null(NoneType in kinds)}, but got {value!r}")


def _is_in(value: object, interval: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value > low or (value == low and interval[0] == "[")
    below = value < high or (value == high and interval[-1] == "]")
    return above and below and abs(value) <= MAX_NUMBER


def _or_null(or_null: bool) -> str:
    return ", or null" if or_null else ""
