"""Optuna's samplers and pruners: built from the configuration, seeded for each trial, asked for a point."""

from __future__ import annotations

import importlib
import inspect
import math
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.promotion import PausingPruner
from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

PARTS = {
    "sampler": ("sample_relative", "sample_independent"),
    "pruner": ("prune",),
    "observer": ("started", "finished"),
}
"""The settings that are `_target_` nodes of objects, and the methods of each."""

ATTEMPTS = 100
"""How often a sampler may propose a point that is excluded or already tried before an untried one is taken."""

MAX_CATEGORIES = 100
"""A longer list of numbers is stored with each trial as a range: 10,000 copies of 10,000 numbers are gigabytes."""


def build(node: Mapping[str, Any], **defaults: Any) -> Any:
    """The object that a `_target_` node describes; `defaults` are arguments that the node leaves open.

    Raises:
        SweepError: there is no such class, or it does not take these arguments.
    """
    arguments = {
        str(key): build(value) if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in node.items()
        if key != "_target_" and not (key == "seed" and value is None)
    }
    target = locate(str(node["_target_"]))
    try:
        return target(**{**defaults, **arguments})
    except (TypeError, ValueError, ImportError) as error:
        raise SweepError(f"{node['_target_']} cannot be built: {error}") from error


def locate(path: str) -> Any:
    """The object at a dotted path.

    Raises:
        SweepError: there is none.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # the module is the user's
        raise SweepError(f"`{path}` cannot be found: {error}") from error


def is_exhaustive(node: Mapping[str, Any] | None) -> bool:
    """Whether the sampler tries every point of a finite space: the engine then runs its own grid, in order."""
    return node is not None and str(node["_target_"]).rpartition(".")[2] in ("GridSampler", "BruteForceSampler")


def build_sampler(node: Mapping[str, Any], study_seed: int, number: int, attempt: int) -> BaseSampler:
    """The sampler of one trial, seeded by the study's seed, the trial's number and the attempt."""
    from optuna.samplers import RandomSampler

    target = locate(str(node["_target_"]))
    seed = zlib.crc32(f"{study_seed}/{number}/{attempt}".encode())
    defaults: dict[str, Any] = {}
    if "seed" in inspect.signature(target).parameters:
        defaults["seed"] = seed
    if target.__name__ == "QMCSampler":  # all trials share one scrambled sequence
        defaults = {"seed": study_seed, "independent_sampler": RandomSampler(seed=seed)}
    sampler: BaseSampler = build({key: value for key, value in node.items() if key != "seed"}, **defaults)
    return sampler


def build_pruner(node: Mapping[str, Any] | None) -> BasePruner | PausingPruner:
    """The pruner that the node describes; without one, a pruner that never prunes."""
    from optuna.pruners import NopPruner

    pruner: BasePruner | PausingPruner = build(node) if node else NopPruner()
    return pruner


def check(settings: Settings) -> None:
    """Build each object and find each function that the settings name, before a study begins.

    Raises:
        SweepError: it cannot be built or found, or is something else.
    """
    for name, methods in PARTS.items():
        node = getattr(settings, name)
        if node is None or (name == "sampler" and is_exhaustive(node)):
            continue
        part = build_sampler(node, 0, 0, 0) if name == "sampler" else build(node)
        if isinstance(part, PausingPruner):
            _check_one_objective(settings)
            continue
        if not all(callable(getattr(part, method, None)) for method in methods):
            rule = f"must be a class with the method{'s' * (len(methods) > 1)} {' and '.join(methods)}"
            raise SweepError(f"`hydra.sweeper.{name}` {rule}, but got {node['_target_']}")
    for name in ("check", "custom_search_space"):
        node = getattr(settings, name)
        path = node["_target_"] if isinstance(node, Mapping) else node
        if path is not None and not callable(locate(path)):
            raise SweepError(f"`hydra.sweeper.{name}` must be a function, but got {path}")


def _check_one_objective(settings: Settings) -> None:
    if (n := len(settings.directions)) > 1:
        raise SweepError(
            f"`hydra.sweeper.pruner` compares trials by one objective, but hydra.sweeper.direction names {n}; "
            "leave the pruner out"
        )


def distribution(axis: Axis) -> BaseDistribution:
    """The axis as Optuna's samplers see it; the end of a range is excluded, as in Hydra."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.values is not None and axis.step is None:
        return CategoricalDistribution(axis.values)
    if axis.integer:
        step = 1 if axis.log else int(axis.step or 1)
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=None if axis.log else axis.step)


def grid_distribution(axis: Axis) -> BaseDistribution:
    """The axis of a grid as Optuna stores it with each trial: its values in order; a range for many numbers."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = axis.values or ()
    types = {type(value) for value in values}
    if len(values) > MAX_CATEGORIES and types == {int}:
        return IntDistribution(min(values), max(values), log=axis.log)  # type: ignore[arg-type]
    if len(values) > MAX_CATEGORIES and types == {float} and all(map(math.isfinite, values)):  # type: ignore[arg-type]
        return FloatDistribution(min(values), max(values), log=axis.log)  # type: ignore[arg-type]
    return CategoricalDistribution(values)


def grid_distributions(plan: SearchPlan) -> dict[str, BaseDistribution]:
    """How Optuna stores the values of each key of a list of points; an interval's as those of a sampler."""
    from optuna.distributions import CategoricalDistribution

    axes = {axis.key: axis for axis in plan.space.axes}
    others: dict[str, dict[Value, None]] = {}  # keys of a custom search space
    for key, value in ((key, value) for point in plan.points or [] for key, value in point.items() if key not in axes):
        others.setdefault(key, {})[value] = None
    return {
        **{key: distribution(axis) if axis.values is None else grid_distribution(axis) for key, axis in axes.items()},
        **{key: CategoricalDistribution(tuple(values)) for key, values in others.items()},
    }


def suggest(study: Study, trial: FrozenTrial, space: Space, given: Mapping[str, Value] = MappingProxyType({})) -> Point:
    """A point that the study's sampler proposes for the trial; nothing is written to the storage.

    Args:
        given: the values on some axes, which the sampler does not choose.

    Raises:
        SweepError: the sampler needs a package that is not installed, or is not made for such a study.
    """
    try:
        return _suggest(study, trial, space, given)
    except ImportError as error:
        raise SweepError(f"{type(study.sampler).__name__} needs a package that is not installed: {error}") from error
    except ValueError as error:  # such as several objectives for CMA-ES
        name = type(study.sampler).__name__
        raise SweepError(f"{name} cannot propose a point: {error} Choose another hydra/sweeper/sampler") from error


def _suggest(study: Study, trial: FrozenTrial, space: Space, given: Mapping[str, Value]) -> Point:
    sampler = study.sampler
    sampler.before_trial(study, trial)
    relative = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
    chosen: Point = {}
    for axis in sorted(space.independent_axes, key=lambda axis: axis.key in space.when):
        if not space.is_swept(axis.key, space.point(chosen)):
            continue
        if axis.key in given:
            chosen[axis.key] = given[axis.key]
            continue
        value = relative.get(axis.key)
        if value is None or not _contains(axis, value):
            value = sampler.sample_independent(study, trial, axis.key, distribution(axis))
        chosen[axis.key] = _without_rounding_error(axis, value)
    return space.point(chosen)


def _contains(axis: Axis, value: Any) -> bool:
    """Whether the value lies on the axis; a sampler may propose one from the range of an earlier trial."""
    if axis.values is not None and axis.step is None:
        return value in axis.values
    return bool(axis.low <= value <= axis.high)


def _without_rounding_error(axis: Axis, value: Any) -> Value:
    """The value itself; on a range with steps the listed value that is nearest."""
    if axis.values is None or axis.step is None:
        return value  # type: ignore[no-any-return]
    return min(axis.values, key=lambda listed: abs(float(listed) - float(value)))
