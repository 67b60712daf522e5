"""The longest names and values that MLflow accepts, and the characters."""

from __future__ import annotations

import re
from hashlib import sha256

KEY, PARAM, DIGEST, TAG = 250, 6000, 36, 5000
"""Characters of a key, of a param's value, of a data set's digest and of a tag's value."""


def param_key(key: str) -> str:
    """The key, with a dash for each character that MLflow refuses: a user's column may be called `a(b)`."""
    return re.sub(r"[^\w\-. :/]", "-", key, flags=re.ASCII)[:KEY]


def param_value(value: str) -> str:
    """The value; of one that is too long, its beginning and its hash."""
    if len(value) <= PARAM:
        return value
    digest = f"... sha256 {sha256(value.encode()).hexdigest()}"
    return value[: PARAM - len(digest)] + digest


def folder_name(experiment: str) -> str:
    """The experiment's name; what is not a letter, digit, dot, dash or underscore becomes a dash."""
    return re.sub(r"[^\w.\-]", "-", experiment)
