"""The sweeper's settings: their names and types, which of them decide the trials, and the checks of their values.

conf/hydra/sweeper/hwsweep.yaml holds the default of each, with its unit and meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep import SweepError
from hwsweep.sweep.config_snapshot import plain_config

Direction: TypeAlias = Literal["minimize", "maximize"]
T = TypeVar("T")
DecidesTrials: TypeAlias = Annotated[T, "decides the trials"]
"""The type of a setting that decides the trials: a study goes on only with the same value."""


class Settings(NamedTuple):
    """The section `hydra.sweeper`, as plain values, in the order of hwsweep.yaml."""

    n_trials: int | None
    params: DecidesTrials[dict[str, Any] | None]
    zip: DecidesTrials[list[list[str]]]
    exclude: DecidesTrials[list[str]]
    when: DecidesTrials[dict[str, str]]
    seeds: DecidesTrials[int | list[int] | None]
    seed_key: DecidesTrials[str]
    check: str | dict[str, Any] | None
    custom_search_space: DecidesTrials[str | None]
    direction: DecidesTrials[Direction | list[Direction]]
    history: int | None
    sampler: DecidesTrials[dict[str, Any] | None]
    pruner: DecidesTrials[dict[str, Any] | None]
    n_jobs: int | None
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
    def concurrency(self) -> int:
        """The number of runs at once; known when `planning.jobs_at_once` has replaced an `n_jobs` of None."""
        assert self.n_jobs is not None
        return self.n_jobs

    @property
    def directions(self) -> list[Direction]:
        """One direction per objective."""
        return [self.direction] if isinstance(self.direction, str) else list(self.direction)


def section_values(config: DictConfig, section: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The plain values of a section of Hydra's configuration, such as `hydra.sweeper`, which has these names.

    Raises:
        SweepError: the section has another name, or lacks one.
    """
    node = OmegaConf.to_container(OmegaConf.select(config, section), resolve=True)
    assert isinstance(node, dict)
    values = {str(name): value for name, value in node.items() if not str(name).startswith("_")}
    for wrong in sorted(values.keys() ^ set(names)):
        problem = "is no setting" if wrong in values else "is missing"
        raise SweepError(f"{section}.{wrong} {problem}; the settings of {section} are {', '.join(names)}")
    return values


def read_settings(config: DictConfig) -> Settings:
    """The settings of a composed configuration, checked.

    Raises:
        SweepError: an unknown or missing setting, or a value that a setting cannot have.
    """
    settings = Settings(**section_values(config, "hydra.sweeper", Settings._fields))
    rules = {
        "n_trials": (_is_count(settings.n_trials, 1), "a whole number, at least 1, or null"),
        "n_jobs": (_is_count(settings.n_jobs, 1), "a whole number, at least 1, or null"),
        "history": (_is_count(settings.history, 100), "at least 100 trials, or null for all"),
        "heartbeat": (isinstance(settings.heartbeat, int | float) and settings.heartbeat > 0, "above 0 seconds"),
        "direction": ({*settings.directions} <= {"minimize", "maximize"}, "minimize or maximize"),
    }
    for name, (holds, rule) in rules.items():
        if not holds:
            raise SweepError(f"{name} must be {rule}, but got {getattr(settings, name)}")
    if settings.join and settings.study_name is None:
        raise SweepError("join=true needs a name that all processes give: hydra.sweeper.study_name=night")
    return settings


def _is_count(value: object, least: int) -> bool:
    return value is None or (isinstance(value, int) and value >= least)


def question(settings: Settings, arguments: list[str], base: DictConfig) -> dict[str, Any]:
    """What decides the trials of a study, as JSON values: a study goes on only for the same question."""
    types = get_type_hints(Settings, include_extras=True)
    deciding = [name for name in Settings._fields if get_origin(types[name]) is Annotated]
    return {
        "command": arguments,
        "sweeper": {name: getattr(settings, name) for name in deciding},
        "config": plain_config(base),
    }
