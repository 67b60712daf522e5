"""A search space written in Python, in Hydra's grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from hwsweep.argument_checks import check_number
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.params import override_line

KEY = re.compile(r"\+{0,2}[^\W\d][\w-]*([./@:][\w-]+)*")
LEAVES = "texts, numbers, True, False, None, and lists and dictionaries of them"


class Interval(NamedTuple):
    """All numbers from `low` on and below `high`; `hwsweep.interval` makes it."""

    low: float
    high: float
    log: bool
    """Whether a sampler sees it on a logarithmic scale."""
    integer: bool
    """Whether it has whole numbers only."""


def override_lines(space: Mapping[str, Any]) -> list[str]:
    """An override for each key: a list, a range or an interval is swept over, anything else is the same in every trial.

    Raises:
        SweepError: a key or a value that cannot be.
    """
    if not isinstance(space, Mapping) or not space:
        raise SweepError(f"`space` must be a dictionary such as {{'x': [1, 2, 3]}}, but got {space!r:.100}")
    for key in space:
        if not isinstance(key, str) or KEY.fullmatch(key) is None:
            raise SweepError(f"a key of `space` must be a name such as x or optimizer.lr, but got {key!r:.100}")
        if re.match(r"\+*hydra[./]", key):
            raise SweepError(f"{key} in `space` is Hydra's own; give it in `overrides`")
    return [f"{key}={_text(key, plain(value))}" for key, value in space.items()]


def base_config(space: Mapping[str, Any], values: Mapping[str, Any]) -> DictConfig:
    """A configuration that has these values, and each key of the space.

    Raises:
        SweepError: it cannot hold one of the values.
    """
    for key, value in values.items():
        _check_item(str(key), value)
    config = OmegaConf.create(dict(values))
    for key, value in space.items():
        first = value if isinstance(value, Interval) else plain(value)
        OmegaConf.update(config, key, _example(first), force_add=True)
    return config


def plain(value: Any) -> Any:
    """The value; an array or a number of NumPy as Python's own, a tuple as a list."""
    if not isinstance(value, Interval) and callable(getattr(value, "tolist", None)):
        value = value.tolist()
    return list(value) if type(value) is tuple else value


def _example(value: Any) -> Any:
    """One of the values that are swept over."""
    if isinstance(value, Interval):
        return value.low
    return next(iter(value), None) if isinstance(value, list | range) else value


def _text(key: str, value: Any) -> str:
    """What stands after `key=` in the override."""
    if isinstance(value, Interval):
        return _interval_text(key, value)
    if isinstance(value, list | range) and not value:
        raise SweepError(f"`space` must have at least one value for {key}, but got {value!r}")
    if isinstance(value, range):
        return f"range({value.start},{value.stop},{value.step})"
    if isinstance(value, dict):
        raise SweepError(f"`space` must have no dictionary for {key}; write its keys as {key}.NAME")
    items = [plain(item) for item in value] if isinstance(value, list) else [value]
    for item in items:
        _check_item(key, item)
    text = override_line("", items)[1:]
    # Hydra sweeps over one value in choice() only, which takes no null and drops quotes; such a value is not swept
    is_swept = isinstance(value, list) and len(items) == 1 and items[0] is not None and "'" not in text
    return f"choice({text})" if is_swept else text


def _interval_text(key: str, value: Interval) -> str:
    for name, end in (("low", value.low), ("high", value.high)):
        try:
            check_number(f"{name}` of the interval of `{key}", plain(end), "(-inf, inf)")
        except ValueError as error:
            raise SweepError(str(error)) from error
    text = f"interval({plain(value.low)},{plain(value.high)})"
    text = f"int({text})" if value.integer else text
    return f"tag(log,{text})" if value.log else text


def _check_item(key: str, item: Any) -> None:
    """Check that the configuration can hold the value.

    Raises:
        SweepError: it cannot.
    """
    if isinstance(item, list):
        for inner in item:
            _check_item(key, inner)
    elif isinstance(item, dict):
        for name, inner in item.items():
            _check_item(key, name)
            _check_item(key, inner)
    elif not (item is None or isinstance(item, str | bool | int | float)):
        raise SweepError(
            f"the values of {key} must be {LEAVES}, but got {item!r:.100}, so sweep over a name and "
            "look the object up in the task"
        )
