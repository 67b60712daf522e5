"""What each setting of the sweeper and of the launchers can be: a table for each."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.machinery import PathFinder
from typing import Any, TypeAlias

from hwsweep.argument_checks import check_count, check_number
from hwsweep.sweep.search.constraints import parse_constraint
from hwsweep.sweep.study.storage import check_url

Check: TypeAlias = Callable[[str, Any], None]
"""check(key, value) raises a ValueError that names the key where the setting cannot have this value."""
MAX_SEEDS = 10_000
MAX_JOBS = 10_000
"""Processes at once: more than any machine or cluster takes, and few enough for a list of them."""


def _must_be(rule: str, holds: Callable[[Any], bool], *, or_null: bool = False) -> Check:
    """The check that `holds` is true of a value; `rule` says in words what the value must be."""

    def check(key: str, value: Any) -> None:
        if not (value is None and or_null) and not holds(value):
            raise ValueError(f"`{key}` must be {rule}{', or null' if or_null else ''}, but got {value!r:.200}")

    return check


def _check_seconds(key: str, value: Any, or_null: bool = False) -> None:
    """Check that it is a time above 0, of at most 30 years: what Python can wait for.

    Raises:
        ValueError: it is not.
    """
    check_number(key, value, "(0, inf)", unit="seconds", or_null=or_null)
    check_number(key, value, "(0, 1e9]", unit="seconds", or_null=or_null)


def _is_text(value: Any) -> bool:
    """Whether it is a text that is not empty."""
    return isinstance(value, str) and bool(value)


def _are_texts(value: Any) -> bool:
    """Whether it is a list of such texts."""
    return isinstance(value, list) and all(map(_is_text, value))


def _is_yes_or_no(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def _check_modules(key: str, value: Any) -> None:
    """Check that it is a list of modules that can be found; none of them is imported.

    Raises:
        ValueError: it is not.
    """
    _must_be("a list of modules, as in [torch, mlflow]", _are_texts)(key, value)
    if missing := [name for name in value if not _is_module(name)]:
        raise ValueError(f"`{key}` names {', '.join(missing)}, but there is no such module; install it, or correct it")


def _is_module(name: str) -> bool:
    top, *inner = name.split(".")
    spec = importlib.util.find_spec(top) if top else None
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None


def _are_constraints(value: Any) -> bool:
    """Whether each text bounds a metric, and no two are the same."""
    if not _are_texts(value):
        return False
    with suppress(ValueError):
        return len({parse_constraint(text).text for text in value}) == len(value)
    return False


def _are_params(value: Any) -> bool:
    """Whether each key has a text, a number or a list; a dictionary would be keys of keys."""
    return isinstance(value, dict) and all(
        _is_text(key) and item not in ([], {}) and not isinstance(item, dict) for key, item in value.items()
    )


def _are_points(value: Any) -> bool:
    """Whether each item gives some keys a single value."""
    return isinstance(value, list) and all(
        isinstance(point, dict)
        and point
        and all(map(_is_text, point))
        and not any(isinstance(item, dict) for item in point.values())
        for point in value
    )


def _are_groups(value: Any) -> bool:
    return isinstance(value, list) and all(_are_texts(group) and len(group) == len({*group}) > 1 for group in value)


def _are_seeds(value: Any) -> bool:
    if isinstance(value, list):
        return 0 < len({*map(str, value)}) == len(value) and all(type(seed) is int and seed >= 0 for seed in value)
    return type(value) is int and 1 <= value <= MAX_SEEDS


def _are_directions(value: Any) -> bool:
    words = value if isinstance(value, list) else [value]
    return bool(words) and all(word in ("minimize", "maximize") for word in words)


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and _is_path(value.get("_target_"))


def _is_path(value: Any) -> bool:
    return _is_text(value) and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", value) is not None


def _is_folder_name(value: Any) -> bool:
    """Whether a folder of this name can be made inside outputs/, and files with suffixes beside it."""
    name = str(value)
    is_one_part = "/" not in name and name not in (".", "..") and name == name.strip() and name.isprintable()
    return type(value) in (str, int) and is_one_part and 0 < len(name.encode()) <= 200


def _is_stack(value: Any) -> bool:
    return value == "auto" or (type(value) is int and 1 <= value <= MAX_JOBS)


SWEEPER_CHECKS: dict[str, Check] = {
    "n_trials": partial(check_count, or_null=True),
    "from": _must_be("the folder of a study, as in outputs/night", _is_text, or_null=True),
    "top": partial(check_count, unit="trials", or_null=True),
    "params": _must_be("keys with what they are swept over, as in {vae.lambda: '0,1'}", _are_params, or_null=True),
    "zip": _must_be("a list of groups of different keys, as in [[model, optimizer.lr]]", _are_groups),
    "exclude": _must_be("a list of conditions, as in ['x > 1']", _are_texts),
    "when": _must_be(
        "keys with one condition each, as in {heads: 'layers > 1'}",
        lambda value: isinstance(value, dict) and _are_texts([*value, *value.values()]),
    ),
    "seeds": _must_be(
        f"a whole number from 1 to {MAX_SEEDS}, or a list of different whole numbers from 0", _are_seeds, or_null=True
    ),
    "seed_key": _must_be("a key of the configuration, such as seed", _is_text),
    "check": _must_be(
        "the dotted path of a function, or a node with _target_",
        lambda value: _is_path(value) or _is_node(value),
        or_null=True,
    ),
    "max_points": partial(check_count, unit="points", or_null=True),
    "custom_search_space": _must_be("the dotted path of a function", _is_path, or_null=True),
    "start": _must_be("a list of points, as in [{vae.lambda: 1}, {vae.lambda: 10}]", _are_points),
    "direction": _must_be("minimize or maximize, or a list with one of them per objective", _are_directions),
    "constraints": _must_be("a list of bounds on metrics, as in ['valid/error <= 0.05']", _are_constraints),
    "history": partial(check_count, least=100, unit="trials", or_null=True),
    "sampler": _must_be(
        "a node such as {_target_: optuna.samplers.TPESampler} (on the command line hydra/sweeper/sampler=tpe)",
        _is_node,
        or_null=True,
    ),
    "sampler.seed": partial(check_count, least=0, or_null=True),
    "pruner": _must_be("a node such as {_target_: optuna.pruners.MedianPruner}", _is_node, or_null=True),
    "n_jobs": partial(check_count, most=MAX_JOBS, or_null=True),
    "timeout": partial(_check_seconds, or_null=True),
    "device_key": _must_be("a key of the configuration, such as device", _is_text, or_null=True),
    "gpus_per_trial": partial(check_number, interval="(0, inf)", or_null=True),
    "stack": _must_be("auto, or a whole number of trials, at least 1", _is_stack),
    "trainer": _must_be("the dotted path of a function", _is_path, or_null=True),
    "max_failure_rate": partial(check_number, interval="[0, 1]"),
    "max_seconds": partial(_check_seconds, or_null=True),
    "patience": partial(check_count, unit="trials", or_null=True),
    "retries": partial(check_count, least=0),
    "preload": _check_modules,
    "study_name": _must_be("the name of a folder, without /, of at most 200 bytes", _is_folder_name, or_null=True),
    "storage": check_url,
    "join": _must_be("true or false", _is_yes_or_no),
    "heartbeat": _check_seconds,
    "observer": _must_be("a node with _target_", _is_node, or_null=True),
}
"""What each setting of hydra/sweeper=hwsweep can be; `sampler.seed` is a key of the sampler's node."""

LAUNCHER_CHECKS: dict[str, Check] = {
    "n_jobs": partial(check_count, most=MAX_JOBS),
    "timeout": partial(_check_seconds, or_null=True),
    "gpus_per_job": partial(check_number, interval="(0, inf)", or_null=True),
    "preload": _check_modules,
}
"""What each setting of hydra/launcher=hwsweep can be."""

RAY_CHECKS: dict[str, Check] = {
    "address": _must_be("an address such as auto or host:6379", _is_text, or_null=True),
    "cpus_per_trial": check_count,
    "environment": _must_be("a list of names, as in [HWSWEEP_*]", _are_texts),
}
"""What each setting of hydra/launcher=hwsweep_ray can be."""

SLURM_CHECKS: dict[str, Check] = {
    "cluster": _must_be("slurm, or local", _is_text),
    "partition": _must_be("the name of a partition", _is_text, or_null=True),
    "cpus_per_trial": check_count,
    "memory_gb": partial(check_number, interval="(0, inf)", or_null=True),
    "minutes": partial(check_count, unit="minutes"),
    "max_timeouts": partial(check_count, least=0),
    "signal_seconds": partial(check_count, least=0, unit="seconds"),
    "options": _must_be("options of sbatch, as in {account: mine}", lambda value: isinstance(value, dict)),
}
"""What each setting of hydra/launcher=hwsweep_slurm can be."""

OTHER_SWEEPERS = {
    "search_space": "write its keys under hydra.sweeper.params, as in {x: 'interval(0, 1)', y: '1,2'}",
    "optuna_config": "write its keys under hydra.sweeper itself, and its sampler as hydra/sweeper/sampler=tpe",
    "max_batch_size": "write hydra.sweeper.n_jobs, the number of trials at once",
    "ax_config": "write max_trials as n_trials, and its params under hydra.sweeper.params: {x: 'interval(0, 1)'}",
    "optim": "write budget as n_trials, num_workers as n_jobs, and maximize as direction",
    "parametrization": "write its keys under hydra.sweeper.params, as in {x: 'interval(0, 1)', y: '1,2'}",
}
"""Settings of other sweepers, and what says the same here."""
