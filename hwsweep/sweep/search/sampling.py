"""What to try next: Optuna's samplers, built anew for each trial so that a suggestion depends on history alone."""

from __future__ import annotations

import importlib
import inspect
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

ATTEMPTS = 100
"""How often a sampler may propose a point that is excluded or already known before the next new one is taken."""

MOST_LISTED = 100
"""Numbers of a grid's axis that stand in the record of every trial: 10,000 of them in 10,000 records are gigabytes."""


class Plan(NamedTuple):
    """How the next trial is found."""

    space: Space
    points: list[Point] | None
    """The points of a grid: trial n is point n. None if a sampler is asked."""
    total: int
    seed: int
    sampler: Mapping[str, Any] | None
    pruner: Mapping[str, Any] | None
    directions: list[Literal["minimize", "maximize"]]
    extend: str | None
    """Dotted path of a function (config, trial) that suggests further parameters."""
    history: int | None
    """The most finished trials that a sampler looks at; None for all."""

    def listed(self) -> list[Point] | None:
        """All points there are to try; None if they cannot be listed."""
        if self.points is not None:
            return self.points
        return self.space.points() if self.space.finite and self.extend is None else None

    def best(self, values: Iterable[float]) -> float | None:
        """The best of these values of the one objective; None of none, and where there are several objectives."""
        if len(self.directions) > 1:
            return None
        return (min if self.directions == ["minimize"] else max)(values, default=None)

    def without(self, refused: list[tuple[int, str]]) -> Plan:
        """The plan of a grid without the points at these places."""
        out = {index for index, _ in refused}
        points = [point for index, point in enumerate(self.points or []) if index not in out]
        return self._replace(points=points, total=min(self.total, len(points)))


def build(node: Mapping[str, Any], **extra: Any) -> Any:
    """The object that a `_target_` node describes, with `extra` for what the node leaves open.

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
        return target(**{**extra, **arguments})
    except TypeError as error:
        raise SweepError(f"{node['_target_']} cannot be built: {error}") from error


def locate(path: str) -> Any:
    """The object at a dotted path."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SweepError(f"`{path}` cannot be found: {error}") from error


def is_exhaustive(node: Mapping[str, Any] | None) -> bool:
    """Whether the sampler means "every point": the engine's own grid does that, in order."""
    return node is not None and str(node["_target_"]).rpartition(".")[2] in ("GridSampler", "BruteForceSampler")


def build_sampler(node: Mapping[str, Any], study_seed: int, number: int, attempt: int) -> BaseSampler:
    """The sampler of one trial, seeded from the study's seed and the trial's number."""
    from optuna.samplers import RandomSampler

    target = locate(str(node["_target_"]))
    seed = zlib.crc32(f"{study_seed}/{number}/{attempt}".encode())
    extra: dict[str, Any] = {}
    if "seed" in inspect.signature(target).parameters:
        extra["seed"] = seed
    if target.__name__ == "QMCSampler":  # one sequence, one scrambling; only what it leaves out is drawn anew
        extra = {"seed": study_seed, "independent_sampler": RandomSampler(seed=seed)}
    sampler: BaseSampler = build({key: value for key, value in node.items() if key != "seed"}, **extra)
    return sampler


def check(sampler: Mapping[str, Any] | None, pruner: Mapping[str, Any] | None) -> None:
    """Build both once, before a study begins.

    Raises:
        SweepError: one of them cannot be built.
    """
    if pruner:
        build(pruner)
    if sampler and not is_exhaustive(sampler):
        build_sampler(sampler, 0, 0, 0)


def distribution(axis: Axis) -> BaseDistribution:
    """The axis as Optuna's samplers see it; the end of a range is excluded, as in Hydra."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.values is not None and axis.step is None:
        return CategoricalDistribution(axis.values)
    if axis.integer:
        step = 1 if axis.log else int(axis.step or 1)
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=None if axis.log else axis.step)


def listed(axis: Axis) -> BaseDistribution:
    """The axis of a grid as Optuna keeps it with each trial: its values, in order; of many numbers, their ends."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = axis.values or ()
    kinds = {type(value) for value in values}
    if len(values) > MOST_LISTED and kinds == {int}:
        return IntDistribution(min(values), max(values), log=axis.log)  # type: ignore[arg-type]
    if len(values) > MOST_LISTED and kinds == {float} and all(map(math.isfinite, values)):  # type: ignore[arg-type]
        return FloatDistribution(min(values), max(values), log=axis.log)  # type: ignore[arg-type]
    return CategoricalDistribution(values)


def suggest(study: Study, trial: FrozenTrial, space: Space) -> Point:
    """A point for the trial from the study's sampler; nothing is written to the study's parameters."""
    sampler = study.sampler
    sampler.before_trial(study, trial)
    relative_space = sampler.infer_relative_search_space(study, trial)
    try:
        relative = sampler.sample_relative(study, trial, relative_space)
    except ImportError as error:
        raise SweepError(f"{type(sampler).__name__} needs a package that is not installed: {error}") from error
    chosen: Point = {}
    for axis in sorted(space.leaders(), key=lambda axis: axis.key in space.when):
        if not space.swept(axis.key, chosen):
            continue
        spread = distribution(axis)
        value = relative.get(axis.key)
        if value is None or not spread._contains(spread.to_internal_repr(value)):
            value = sampler.sample_independent(study, trial, axis.key, spread)
        chosen[axis.key] = _tidy(axis, value)
        chosen.update(space.followers(chosen, axis.key))
    return space.complete(chosen)


def _tidy(axis: Axis, value: Any) -> Value:
    """The value as it would be written: steps of a range without the noise of floating point."""
    if axis.values is None or axis.step is None:
        return value  # type: ignore[no-any-return]
    return min(axis.values, key=lambda listed: abs(float(listed) - float(value)))
