"""From settings and command line to the plan of a search: how many trials, which points, who proposes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution import devices
from hwsweep.sweep.search.sampling import Plan, is_exhaustive
from hwsweep.sweep.search.space import Space, build_space
from hwsweep.sweep.settings import Settings


def study_seed(settings: Settings, config: DictConfig) -> int:
    """The seed of the samplers: the sampler node's own, else the application's, else 0."""
    own = (settings.sampler or {}).get("seed")
    value = own if own is not None else OmegaConf.select(config, settings.seed_key)
    return value if isinstance(value, int) else 0


def read_space(settings: Settings, arguments: list[str], loader: ConfigLoader, config: DictConfig) -> Space:
    """The search space of `params` and the command line; the command line wins."""
    lines = [line_of(key, value) for key, value in (settings.params or {}).items()]
    seed = study_seed(settings, config)
    return build_space([*lines, *arguments], loader, settings.zip, settings.exclude, settings.when, config, seed)


def jobs_at_once(settings: Settings, space: Space, elsewhere: bool) -> int:
    """How many runs there are at once: what the user says, else as many as this machine runs in the shortest time.

    That is one unless all points are known: what a sampler proposes and a pruner ends would depend on who is first.

    Args:
        elsewhere: the runs are another launcher's, a cluster's, or shared with other sweeps.
    """
    if settings.n_jobs is not None:
        return settings.n_jobs
    asked = settings.n_trials is not None or settings.pruner is not None or settings.custom_search_space is not None
    if elsewhere or asked or not space.finite or settings.gpus_per_trial is not None:
        return 1
    return devices.jobs_that_pay(len(space.points()) * max(1, len(seed_values(settings, 0))))


def line_of(key: str, value: Any) -> str:
    """An override string; a list in YAML stands for its values, one after the other."""
    if isinstance(value, list):
        return f"{key}={','.join(str(item) for item in value)}"
    return f"{key}={'null' if value is None else value}"


def make_plan(settings: Settings, space: Space, config: DictConfig, earlier: Mapping[str, Any] | None) -> Plan:
    """How many trials there are and who proposes them.

    Args:
        earlier: what study.json says of a study that goes on: a grid stays a grid.

    Raises:
        SweepError: a continuous axis without n_trials, or no point at all.
    """
    points = space.points() if space.finite and not settings.custom_search_space else None
    if points is not None and not points:
        raise SweepError("`exclude` leaves no point of the grid; loosen it")
    if points is None and settings.n_trials is None:
        raise SweepError(f"{_endless(space)} has no end; say how many trials: hydra.sweeper.n_trials=20")
    total = len(points) if points is not None else settings.n_trials or 0
    grid = points is not None and (
        settings.n_trials is None or settings.n_trials >= total or is_exhaustive(settings.sampler)
    )
    if earlier is not None:
        grid = earlier["grid"]
    if settings.n_trials is not None:
        total = min(total, settings.n_trials)
    return Plan(
        space=space,
        points=points if grid else None,
        total=total,
        seed=study_seed(settings, config),
        sampler=settings.sampler,
        pruner=settings.pruner,
        directions=settings.directions,
        extend=settings.custom_search_space,
        history=settings.history,
    )


def _endless(space: Space) -> str:
    """The axes that cannot be enumerated."""
    names = [axis.key for axis in space.axes if axis.values is None]
    return "the sweep over " + (", ".join(names) or "a custom search space")


def announce(plan: Plan, settings: Settings, done: int) -> str:
    """The first line: "3 runs: grid over vae.lambda"."""
    seeds = len(seed_values(settings, 0)) or 1
    way = "grid" if plan.points is not None else str((plan.sampler or {}).get("_target_", "TPE")).rpartition(".")[2]
    over = " x ".join(axis.key for axis in plan.space.axes) or "nothing swept"
    product = 1
    for axis in plan.space.leaders():
        product *= len(axis.values or ())
    line = f"{plan.total * seeds} run{'s' if plan.total * seeds != 1 else ''}: {way} over {over}"
    if settings.seeds is not None:
        line += f", {seeds} seeds each"
    if plan.points is not None and len(plan.points) < product:
        line += f" ({len(plan.points)} of {product} points)"
    return f"{line}; {done} done, {plan.total - done} to go" if done else line


def seed_values(settings: Settings, first: int) -> list[int]:
    """The seeds that each point is run with; empty if a point is run once, as it is."""
    if isinstance(settings.seeds, int):
        return list(range(first, first + settings.seeds))
    return list(settings.seeds or [])
