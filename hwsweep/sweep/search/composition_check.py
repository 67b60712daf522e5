"""Every choice of every axis is composed once before a study begins, so that a misspelt key costs nothing."""

from __future__ import annotations

from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Space


def check_composition(space: Space, loader: ConfigLoader, config: DictConfig) -> None:
    """Compose each choice of each axis once, so that a misspelt key is told before anything begins."""
    overrides = list(config.hydra.overrides.hydra)
    for lines in probes(space, {axis.key for axis in space.axes if is_choice(axis.key, loader)}):
        loader.load_configuration(config.hydra.job.config_name, [*overrides, *lines], run_mode=RunMode.RUN)


def is_choice(key: str, loader: ConfigLoader) -> bool:
    """Whether Hydra itself must put the key in: it chooses an option of a group, or is Hydra's own."""
    group, at, _ = key.lstrip("+~").partition("@")
    return group.startswith("hydra") or bool(at) or bool(loader.get_group_options(group))


def probes(space: Space, choices: set[str]) -> list[list[str]]:
    """Override lists that together contain every option of every group; of numbers that are none, one of each type.

    Hydra takes numbers of a type alike; one for which a condition (`when`) adds keys makes another list.

    Args:
        choices: the keys that choose an option of a group, which may be called `50`.
    """
    first = {axis.key: ends(axis)[0] for axis in space.leaders()}
    wanted: dict[tuple[str, ...], list[str]] = {}
    for axis in space.leaders() or [Axis("", ())]:
        for value in ends(axis) if axis.key else [""]:
            chosen = {**first, axis.key: value} if axis.key else {}
            for key in list(chosen):
                chosen.update(space.followers(chosen, key))
            point = space.complete(chosen)
            alike = {key: type(value).__name__ for key, value in point.items() if type(value) in (int, float)}
            kind = tuple(f"{key}={alike[key] if key in alike.keys() - choices else point[key]}" for key in point)
            wanted.setdefault(kind, space.overrides(point))
    return list(wanted.values())


def ends(axis: Axis) -> list[Any]:
    """Each value of a short list, the first and last of a long one, both ends of an interval."""
    if axis.values is None:
        return [int(axis.low), int(axis.high)] if axis.integer else [axis.low, axis.high]
    texts = any(isinstance(value, str) for value in axis.values)
    return list(axis.values) if texts or len(axis.values) <= 4 else [axis.values[0], axis.values[-1]]
