"""The longest names and values that MLflow accepts, and the characters."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from hashlib import sha256

KEY, PARAM, DIGEST, TAG = 250, 6000, 36, 5000
"""Characters of a key, of a param's value, of a data set's digest and of a tag's value."""
METRICS = 1000
"""Numbers in a single call."""


def keys(names: Iterable[str]) -> dict[str, str]:
    """By name a key that MLflow accepts, each key once; a name that it accepts is its own key.

    A user's column may be called `a(b)`, a metric `recall@5`. Of two that become equal the second ends with -2.
    """
    taken: dict[str, str] = {}
    for name in sorted(names, key=lambda name: _key(name) != name):
        key = _key(name)
        for number in range(2, len(taken) + 2):
            if key not in taken:
                break
            key = f"{_key(name)[: KEY - 8]}-{number}"
        taken[key] = name
    return {name: key for key, name in taken.items()}


def param_value(value: str) -> str:
    """The value; of one that is too long, its beginning and its hash."""
    if len(value) <= PARAM:
        return value
    digest = f"... sha256 {sha256(value.encode()).hexdigest()}"
    return value[: PARAM - len(digest)] + digest


def folder_name(experiment: str) -> str:
    """The experiment's name; what is not a letter, digit, dot, dash or underscore becomes a dash."""
    return re.sub(r"[^\w.\-]", "-", experiment)


def _key(name: str) -> str:
    """The name with a dash for each character that MLflow refuses, and in what reads as another path, such as a//b."""
    key = re.sub(r"[^\w\-. :/]", "-", name, flags=re.ASCII)[:KEY]
    if posixpath.normpath(key) != key or key.startswith("/"):
        key = key.replace("/", "-")
    return f"-{key}" if key in ("", ".") or key.startswith("..") else key
