"""Every choice of every axis is composed once before a study begins, so that a misspelt key costs nothing."""

from __future__ import annotations

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from hwsweep.sweep.config_snapshot import hydra_overrides
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.trial import Value


def check_composition(space: Space, loader: ConfigLoader, config: DictConfig) -> None:
    """Compose each choice of each axis once; Hydra raises what it finds wrong."""
    overrides = hydra_overrides(config)
    for lines in covering_overrides(space, {axis.key for axis in space.axes if needs_composition(axis.key, loader)}):
        loader.load_configuration(config.hydra.job.config_name, [*overrides, *lines], run_mode=RunMode.RUN)


def needs_composition(key: str, loader: ConfigLoader) -> bool:
    """Whether only Hydra can apply an override of this key: it selects an option of a group, or is Hydra's own."""
    group, at, _ = key.lstrip("+~").partition("@")
    return group.startswith("hydra") or bool(at) or bool(loader.get_group_options(group))


def covering_overrides(space: Space, groups: set[str]) -> list[list[str]]:
    """Override lists that together contain every option of every group, and one number of each type for other keys.

    Hydra treats numbers of a type alike. A number for which a condition (`when`) adds keys gets its own list.

    Args:
        groups: the keys that select an option of a group, which may be called `50`.
    """

    def kind(key: str, value: Value) -> str:
        is_number = type(value) in (int, float) and key not in groups
        return f"{key}={type(value).__name__ if is_number else value}"

    first = {axis.key: _examples(axis)[0] for axis in space.independent_axes}
    others = [{**first, axis.key: value} for axis in space.independent_axes for value in _examples(axis)]
    compositions: dict[tuple[str, ...], list[str]] = {}
    for point in map(space.point, [first, *others]):
        compositions.setdefault(tuple(kind(*item) for item in point.items()), space.overrides(point))
    return list(compositions.values())


def _examples(axis: Axis) -> tuple[Value, ...]:
    """Each value of a list that is short or contains texts, else the first and the last; both ends of an interval."""
    if axis.values is None:
        return (int(axis.low), int(axis.high)) if axis.integer else (axis.low, axis.high)
    if len(axis.values) <= 4 or any(isinstance(value, str) for value in axis.values):
        return axis.values
    return axis.values[0], axis.values[-1]
