"""From settings and command line to the plan of a search: how many trials, which points, who proposes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.params import override_line
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.search.given_point import given_point, is_whole, matches
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.sampling import is_exhaustive
from hwsweep.sweep.search.space import Point, Space, build_space


def study_seed(settings: Settings, config: DictConfig) -> int:
    """The seed of the samplers: the sampler node's own, else the application's, else 0."""
    own = (settings.sampler or {}).get("seed")
    value = own if own is not None else OmegaConf.select(config, settings.seed_key)
    return value if isinstance(value, int) else 0


def read_space(settings: Settings, arguments: list[str], loader: ConfigLoader, config: DictConfig) -> Space:
    """The search space of `params` and the command line; the command line wins.

    Raises:
        SweepError: the space cannot be, or is a grid that is too large, or its seeds cannot be set.
    """
    lines = [override_line(key, value) for key, value in (settings.params or {}).items()]
    seed, limit = study_seed(settings, config), settings.max_points
    space = build_space(
        [*lines, *arguments], loader, settings.zip, settings.exclude, settings.when, config, seed, limit
    )
    is_grid = space.is_finite and settings.custom_search_space is None and settings.n_trials is None
    if is_grid and not space.can_be_listed(limit):
        raise SweepError(
            f"the grid has {space.n_combinations:,} points, more than hydra.sweeper.max_points={limit}; "
            "set hydra.sweeper.n_trials for a part of it, or a larger max_points"
        )
    if settings.seeds is not None:
        _check_seed_key(settings.seed_key, space, config)
    return space


def _check_seed_key(key: str, space: Space, config: DictConfig) -> None:
    """Check that each run can be given a seed of its own.

    Raises:
        SweepError: the configuration has no such key, the key holds no number, or it is swept.
    """
    value = space.config_values.get(key, OmegaConf.select(config, key, default="no such key"))
    if value is not None and type(value) is not int:
        raise SweepError(
            f"`seeds` needs a key of the configuration with a whole number, but {key} is {value!r}; "
            "name another as hydra.sweeper.seed_key"
        )
    if space.has_axis(key):
        raise SweepError(f"both `seeds` and the command sweep over {key}; remove one of them")


def make_plan(settings: Settings, space: Space, config: DictConfig, earlier: Mapping[str, Any] | None) -> SearchPlan:
    """How many trials there are and who proposes them.

    Args:
        earlier: the content of study.json if the study is resumed: a grid stays a grid, and copies stay copies.

    Raises:
        SweepError: a continuous axis without n_trials, or no point at all.
    """
    if earlier is not None and earlier.get("copies"):
        return _plan_of_copies(settings, space, config, earlier["copies"])
    is_listed = space.can_be_listed(settings.max_points) and settings.custom_search_space is None
    points = space.points() if is_listed else None
    if points is not None and not points:
        raise SweepError("`exclude` leaves no point of the grid; loosen it")
    if points is None and settings.n_trials is None:
        keys = ", ".join(axis.key for axis in space.axes if axis.values is None) or "a custom search space"
        raise SweepError(f"the sweep over {keys} has no end; set the number of trials: hydra.sweeper.n_trials=20")
    if points is None and is_exhaustive(settings.sampler):
        raise SweepError("a grid needs lists of values, at most max_points in all; choose hydra/sweeper/sampler=random")
    total = len(points) if points is not None else settings.n_trials or 0
    grid = points is not None and (
        settings.n_trials is None or settings.n_trials >= total or is_exhaustive(settings.sampler)
    )
    if earlier is not None:
        grid = earlier["grid"]
    if settings.n_trials is not None:
        total = min(total, settings.n_trials)
    start = _start(settings, space, points)
    return SearchPlan(
        space=space,
        points=_in_order(points, start) if grid and points is not None else None,
        total=total,
        seed=study_seed(settings, config),
        sampler=settings.sampler,
        pruner=settings.pruner,
        directions=settings.directions,
        custom_search_space=settings.custom_search_space,
        history=settings.history,
        max_points=settings.max_points,
        start=start,
        patience=settings.patience,
    )


def _plan_of_copies(
    settings: Settings, space: Space, config: DictConfig, copies: Sequence[Mapping[str, Any]]
) -> SearchPlan:
    """The plan of trials that begin as copies of another study's: a list, so that nothing is sampled or pruned."""
    return SearchPlan(
        space=space,
        points=[copy["point"] for copy in copies],
        total=len(copies),
        seed=study_seed(settings, config),
        sampler=None,
        pruner=None,
        directions=settings.directions,
        custom_search_space=None,
        history=settings.history,
        max_points=settings.max_points,
        copies=[copy["folder"] for copy in copies],
        patience=settings.patience,
    )


def _start(settings: Settings, space: Space, points: list[Point] | None) -> list[Point]:
    """The points of the setting `start`.

    Args:
        points: all points of the space, if they are listed.

    Raises:
        SweepError: one of them cannot be, or is there twice.
    """
    start: list[Point] = []
    for given in settings.start:
        shown = ", ".join(f"{key}: {value}" for key, value in given.items())
        try:
            point = given_point(space, given)
        except SweepError as error:
            raise SweepError(f"hydra.sweeper.start: {{{shown}}} cannot be: {error}") from error
        if points is not None and not any(matches(listed, point) for listed in points):
            raise SweepError(f"hydra.sweeper.start: {{{shown}}} cannot be: `exclude` leaves no such point")
        if point in start and is_whole(space, point):
            raise SweepError(f"hydra.sweeper.start: {{{shown}}} is there twice; no point runs twice")
        start.append(point)
    return start


def _in_order(points: list[Point], start: list[Point]) -> list[Point]:
    """The points of a grid: those that `start` gives come first, in its order."""
    ranks = [next((rank for rank, given in enumerate(start) if matches(point, given)), len(start)) for point in points]
    return [point for _, point in sorted(zip(ranks, points, strict=True), key=lambda pair: pair[0])]


def headline(plan: SearchPlan, settings: Settings, n_finished: int) -> str:
    """The first line: "3 runs: grid over vae.lambda"."""
    seeds = len(seed_values(settings, 0)) or 1
    method = "grid" if plan.points is not None else str((plan.sampler or {}).get("_target_", "TPE")).rpartition(".")[2]
    keys = " x ".join(axis.key for axis in plan.space.axes) or "nothing swept"
    product = 1
    for axis in plan.space.independent_axes:
        product *= len(axis.values or ())
    line = f"{plan.total * seeds} run{'s' if plan.total * seeds != 1 else ''}: {method} over {keys}"
    if plan.copies:
        numbers, go = ", ".join(Path(folder).name for folder in plan.copies), "go" if len(plan.copies) > 1 else "goes"
        line = f"{line.partition(':')[0]}: trial{'s' * (go == 'go')} {numbers} of {settings.from_} {go} on"
    if settings.seeds is not None:
        line += f", {seeds} seeds each"
    if plan.points is not None and len(plan.points) < product and not plan.copies:
        line += f" ({len(plan.points)} of {product} points)"
    if plan.start:
        line += ", the points of start first"
    return f"{line}; {n_finished} done, {plan.total - n_finished} to go" if n_finished else line


def seed_values(settings: Settings, first: int) -> list[int]:
    """The seeds that each point is run with; empty if a point is run once, as it is."""
    if isinstance(settings.seeds, int):
        return list(range(first, first + settings.seeds))
    return list(settings.seeds or [])
