"""Checks of a model's settings; the messages name the key of the command line."""

from __future__ import annotations

import math


def require_count(key: str, value: object) -> int:
    """`value`, if it is a whole number >= 1.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"`{key}` must be a whole number >= 1, but got {value!r}")
    return value


def require_nonnegative(key: str, value: object) -> float:
    """`value`, if it is a finite number >= 0.

    Raises:
        ValueError: it is not.
    """
    if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
        raise ValueError(f"`{key}` must be a finite number >= 0, but got {value!r}")
    return value
