"""Every choice of every axis is composed once before a study begins, so that a misspelt key costs nothing."""

from __future__ import annotations

from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from hwsweep.sweep.axis import Axis
from hwsweep.sweep.space import Space


def check_composition(space: Space, loader: ConfigLoader, config: DictConfig) -> None:
    """Compose each choice of each axis once, so that a misspelt key is told before anything begins."""
    overrides = list(config.hydra.overrides.hydra)
    for lines in probes(space):
        loader.load_configuration(config.hydra.job.config_name, [*overrides, *lines], run_mode=RunMode.RUN)


def probes(space: Space) -> list[list[str]]:
    """Override lists that together contain every option of every group; of numbers, which Hydra takes alike, one each.

    A number decides what is composed only where a condition (`when`) adds keys for it; that makes another list.
    """
    first = {axis.key: ends(axis)[0] for axis in space.leaders()}
    wanted: dict[tuple[str, ...], list[str]] = {}
    for axis in space.leaders() or [Axis("", ())]:
        for value in ends(axis) if axis.key else [""]:
            chosen = {**first, axis.key: value} if axis.key else {}
            for key in list(chosen):
                chosen.update(space.followers(chosen, key))
            point = space.complete(chosen)
            kind = tuple(key if type(value) in (int, float) else f"{key}={value}" for key, value in point.items())
            wanted.setdefault(kind, space.overrides(point))
    return list(wanted.values())


def ends(axis: Axis) -> list[Any]:
    """Each value of a short list, the first and last of a long one, both ends of an interval."""
    if axis.values is None:
        return [int(axis.low), int(axis.high)] if axis.integer else [axis.low, axis.high]
    texts = any(isinstance(value, str) for value in axis.values)
    return list(axis.values) if texts or len(axis.values) <= 4 else [axis.values[0], axis.values[-1]]
