"""From the user's settings to a plan: what is asked, how many trials, in words for the first line."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.config_snapshot import plain_config

Direction: TypeAlias = Literal["minimize", "maximize"]

QUESTION = (
    "params",
    "zip",
    "exclude",
    "when",
    "seeds",
    "seed_key",
    "custom_search_space",
    "direction",
    "sampler",
    "pruner",
)
"""The sweeper's keys that decide the trials; the others may change when a study goes on."""


class Settings(NamedTuple):
    """The sweeper's section of the configuration, as plain values; conf/hydra/sweeper/hwsweep.yaml explains each."""

    n_trials: int | None
    params: dict[str, Any] | None
    zip: list[list[str]]
    exclude: list[str]
    when: dict[str, str]
    seeds: int | list[int] | None
    seed_key: str
    custom_search_space: str | None
    direction: Direction | list[Direction]
    sampler: dict[str, Any] | None
    history: int | None
    pruner: dict[str, Any] | None
    check: str | dict[str, Any] | None
    n_jobs: int | None
    """None until `jobs_at_once` is asked."""
    timeout: float | None
    gpus_per_trial: float | None
    max_failure_rate: float
    retries: int
    preload: list[str]
    study_name: str | None
    storage: str | None
    join: bool
    heartbeat: float
    observer: dict[str, Any] | None

    @property
    def at_once(self) -> int:
        """Runs at once, now that `jobs_at_once` was asked."""
        assert self.n_jobs is not None
        return self.n_jobs

    @property
    def directions(self) -> list[Direction]:
        """One direction per objective."""
        return [self.direction] if isinstance(self.direction, str) else list(self.direction)


def read_settings(config: DictConfig) -> Settings:
    """The settings of a composed configuration, checked.

    Raises:
        SweepError: a value that means nothing.
    """
    node = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(node, dict)
    settings = Settings(**{name: node[name] for name in Settings._fields})
    wrong = [direction for direction in settings.directions if direction not in ("minimize", "maximize")]
    if wrong:
        raise SweepError(f"direction must be minimize or maximize, but got {wrong[0]}")
    for name in ("n_jobs", "n_trials"):
        if node[name] is not None and not (isinstance(node[name], int) and node[name] >= 1):
            raise SweepError(f"{name} must be a whole number, at least 1, or null, but got {node[name]}")
    if settings.join and settings.study_name is None:
        raise SweepError("join=true needs a name that all processes give: hydra.sweeper.study_name=night")
    if settings.history is not None and settings.history < 100:
        raise SweepError(f"history must be at least 100 trials, or null for all, but got {settings.history}")
    if settings.heartbeat <= 0:
        raise SweepError(f"heartbeat must be above 0 seconds, but got {settings.heartbeat}")
    return settings


def question(settings: Settings, arguments: list[str], base: DictConfig) -> dict[str, Any]:
    """What decides the trials of a study, as JSON values: a study goes on only for the same question."""
    fields = settings._asdict()
    return {
        "command": arguments,
        "sweeper": {name: fields[name] for name in QUESTION},
        "config": plain_config(base),
    }
