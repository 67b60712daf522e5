"""The sweeper's settings: their names and types, which of them decide the trials, and the checks of their values.

conf/hydra/sweeper/hwsweep.yaml holds the default of each, with its unit and meaning.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from hwsweep.files import masked
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.params import params_of
from hwsweep.sweep.command.setting_checks import OTHER_SWEEPERS, SWEEPER_CHECKS, Check
from hwsweep.sweep.config_snapshot import plain_config

Direction: TypeAlias = Literal["minimize", "maximize"]
T = TypeVar("T")
DecidesTrials: TypeAlias = Annotated[T, "decides the trials"]
"""The type of a setting that decides the trials: a study goes on only with the same value."""


class Settings(NamedTuple):
    """The section `hydra.sweeper`, as plain values, in the order of hwsweep.yaml."""

    n_trials: int | None
    from_: DecidesTrials[str | None]
    """Written `from`, which is a keyword of Python."""
    top: DecidesTrials[int | None]
    params: DecidesTrials[dict[str, Any] | None]
    zip: DecidesTrials[list[list[str]]]
    exclude: DecidesTrials[list[str]]
    when: DecidesTrials[dict[str, str]]
    seeds: DecidesTrials[int | list[int] | None]
    seed_key: DecidesTrials[str]
    check: str | dict[str, Any] | None
    max_points: int | None
    custom_search_space: DecidesTrials[str | None]
    start: DecidesTrials[list[dict[str, Any]]]
    direction: DecidesTrials[Direction | list[Direction]]
    constraints: DecidesTrials[list[str]]
    history: int | None
    sampler: DecidesTrials[dict[str, Any] | None]
    pruner: DecidesTrials[dict[str, Any] | None]
    n_jobs: int | None
    timeout: float | None
    device_key: str | None
    gpus_per_trial: float | None
    stack: int | str
    trainer: str | None
    max_failure_rate: float
    max_seconds: float | None
    patience: int | None
    retries: int
    preload: list[str]
    study_name: str | None
    storage: str | None
    join: bool
    heartbeat: float
    observer: dict[str, Any] | None

    @property
    def concurrency(self) -> int:
        """The number of runs at once; known when `concurrency.jobs_at_once` has replaced an `n_jobs` of None."""
        assert self.n_jobs is not None
        return self.n_jobs

    @property
    def directions(self) -> list[Direction]:
        """One direction per objective."""
        return [self.direction] if isinstance(self.direction, str) else list(self.direction)


def setting_name(field: str) -> str:
    """The setting as it is written in YAML: a keyword of Python has a `_` at the end of its field."""
    return field.removesuffix("_")


def section_values(config: DictConfig, section: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """The plain values of a section of Hydra's configuration, such as `hydra.sweeper`, each checked.

    Raises:
        SweepError: the section has another name, lacks one, or has a value that cannot be.
    """
    node = OmegaConf.to_container(OmegaConf.select(config, section), resolve=True)
    assert isinstance(node, dict)
    values = {str(name): value for name, value in node.items() if not str(name).startswith("_")}
    names = [name for name in checks if "." not in name]
    for wrong in sorted(values.keys() - set(names)):
        near = difflib.get_close_matches(wrong, names, 1)
        hint = OTHER_SWEEPERS.get(wrong) or (f"did you mean {near[0]}?" if near else "")
        listed = f"the settings of {section} are {', '.join(names)}"
        raise SweepError(f"{section}.{wrong} is no setting; {hint or listed}")
    for missing in [name for name in names if name not in values]:
        raise SweepError(f"{section}.{missing} is missing; the settings of {section} are {', '.join(names)}")
    for key, check in checks.items():
        name, _, inner = key.partition(".")
        value = values[name]
        if inner:
            value = value.get(inner) if isinstance(value, dict) else None
        try:
            check(f"{section}.{key}", value)
        except ValueError as error:
            raise SweepError(str(error)) from error
    return values


def read_settings(config: DictConfig) -> Settings:
    """The settings of a composed configuration, checked.

    Raises:
        SweepError: an unknown or missing setting, or a value that a setting cannot have.
    """
    values = section_values(config, "hydra.sweeper", SWEEPER_CHECKS)
    settings = Settings(**{name: values[setting_name(name)] for name in Settings._fields})
    if settings.params:
        settings = settings._replace(params=params_of(config, settings.params))
    if settings.join and settings.study_name is None:
        raise SweepError("join=true needs a name that all processes give: hydra.sweeper.study_name=night")
    if settings.top is not None and settings.from_ is None:
        raise SweepError("top needs the study whose best trials go on: hydra.sweeper.from=outputs/night")
    if settings.patience is not None and len(settings.directions) > 1:
        raise SweepError(f"patience needs one objective, but direction has {len(settings.directions)}")
    return settings


def stored_settings(config: DictConfig) -> Settings:
    """The settings that a study began with, not checked again; empty for one that did not exist yet."""
    node = OmegaConf.to_container(OmegaConf.select(config, "hydra.sweeper"), resolve=True)
    assert isinstance(node, dict)
    values: dict[str, Any] = {name: node.get(setting_name(name)) for name in Settings._fields}
    lists = ("zip", "exclude", "start", "constraints", "preload")
    return Settings(**{**values, **{name: values[name] or [] for name in lists}})


def question(settings: Settings, arguments: list[str], base: DictConfig) -> dict[str, Any]:
    """What decides the trials of a study, as JSON values without passwords: a study goes on only for the same one."""
    types = get_type_hints(Settings, include_extras=True)
    deciding = [name for name in Settings._fields if get_origin(types[name]) is Annotated]
    return {
        "command": masked(arguments),
        "sweeper": {setting_name(name): masked(getattr(settings, name)) for name in deciding},
        "config": masked(plain_config(base)),
    }
