"""The runs of a trial: one, or one per seed."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import outcome
from hwsweep.sweep.axis import Value
from hwsweep.sweep.plan import Settings, seed_values
from hwsweep.sweep.space import Point, Space, readable
from hwsweep.sweep.worker import Job


def runs_of(number: int, point: Point, space: Space, settings: Settings, config: DictConfig, study: Path) -> list[Job]:
    """The jobs of trial `number`, in the order of their seeds.

    Args:
        config: the composed base configuration; where the first seed is.
        study: the study's folder.
    """

    def job(folder: str, seed: dict[str, Value]) -> Job:
        overrides = [*space.overrides(point), *(f"{key}={value}" for key, value in seed.items())]
        return Job(number, folder, str(study / folder), overrides, {**readable(point), **seed})

    if settings.seeds is None:
        return [job(str(number), {})]
    seeds = seed_values(settings, OmegaConf.select(config, settings.seed_key) or 0)
    return [job(f"{number}/seed_{seed}", {settings.seed_key: seed}) for seed in seeds]


def outcome_of(job: Job) -> outcome.Outcome | None:
    """How the run ended; None while it has not."""
    return outcome.read_outcome(Path(job.directory))


def pruned(job: Job) -> bool:
    """Whether the run has ended because it was pruned."""
    ended = outcome_of(job)
    return ended is not None and ended.state == "pruned"
