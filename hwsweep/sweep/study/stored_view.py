"""A study read from its folder and its storage, without running or writing anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hwsweep.files import MASK, without_passwords
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.planning import read_space
from hwsweep.sweep.command.settings import stored_settings
from hwsweep.sweep.config_snapshot import plain_config, stored_loader
from hwsweep.sweep.ownership.locks import is_running
from hwsweep.sweep.study.record import flatten, read_record
from hwsweep.sweep.study.storage import JOURNAL, open_journal
from hwsweep.sweep.study.trial_attributes import NOTE, WIDENED
from hwsweep.sweep.study.trial_view import TrialView, trial_view
from hwsweep.sweep.study.view import StudyView, log_keys

if TYPE_CHECKING:
    from optuna import Study

ABSENT = "(absent)"
"""Stands for a key that one of two configurations does not have."""


def stored_view(directory: Path) -> StudyView:
    """The study in this folder as it stands; a trial that was running when its sweep died is "interrupted".

    Raises:
        SweepError: there is no study in the folder, its storage is gone, or another version of hwsweep began it.
    """
    directory = directory.absolute()
    record = read_record(directory)
    if record is None or not (directory / "multirun.yaml").exists():
        raise SweepError(f"{directory} holds no study (study.json and multirun.yaml); see the folders under outputs/")
    config = stored_config(directory)
    settings = stored_settings(config)
    space = read_space(settings, record["question"]["command"], stored_loader(directory), config)
    study = _load(record["name"], settings.storage, directory, str(config.hydra.runtime.cwd))
    records = study.get_trials(deepcopy=False)
    for addition in study.user_attrs.get(WIDENED) or []:
        space = space.widened(addition)
    program = record.get("program", ["python", "-m", str(config.hydra.job.name)])
    trials = [trial_view(space, trial, directory, program) for trial in records]
    return StudyView(
        name=record["name"],
        directory=directory,
        command=record.get("argv", [*program, "-m", *record["question"]["command"]]),
        config=config,
        axes={axis.key: axis.values for axis in space.axes},
        trials=trials if is_running(directory) else [_interrupted(trial) for trial in trials],
        directions=settings.directions,
        log_keys=log_keys(records, space),
        note=str(study.user_attrs.get(NOTE) or ""),
    )


def stored_config(directory: Path) -> DictConfig:
    """The configuration that the study began with, Hydra's section included."""
    path = directory / "multirun.yaml"
    try:
        config = OmegaConf.load(path)
    except Exception:  # YAML has errors of its own
        config = None
    needed = ("hydra.sweeper", "hydra.job.name", "hydra.runtime.choices")
    if not isinstance(config, DictConfig) or any(OmegaConf.select(config, key) is None for key in needed):
        raise SweepError(f"{path} is damaged; the study's command writes it again")
    return config


def changes(view: StudyView) -> list[tuple[str, str, str]]:
    """(key, default, the study's value) of every key that the study sets otherwise than the defaults of its day.

    First the choices of config groups (`dataset`), then the single values, compared with those that the choices bring.
    """
    name, loader = view.config.hydra.job.config_name, stored_loader(view.directory)  # name is None without a file
    default = loader.load_configuration(name, [], RunMode.RUN)
    groups = _differences(_choices(default), _choices(view.config))
    if groups:
        lines = OmegaConf.to_container(view.config.hydra.overrides.task, resolve=False) or []
        added = {str(line).partition("=")[0] for line in lines if str(line).startswith("+")}
        choices = [f"{'+' * (f'+{group}' in added)}{group}={choice}" for group, _, choice in groups if choice != ABSENT]
        default = loader.load_configuration(name, choices, RunMode.RUN)
    return [*groups, *_differences(flatten(plain_config(default)), flatten(plain_config(view.config)))]


def _choices(config: DictConfig) -> dict[str, Any]:
    """What the application's config groups are set to."""
    chosen = {str(key): value for key, value in config.hydra.runtime.choices.items()}
    return {key: "null" if value is None else value for key, value in chosen.items() if not key.startswith("hydra/")}


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    pairs = [(key, str(before.get(key, ABSENT)), str(after.get(key, ABSENT))) for key in {**before, **after}]
    return [(key, old, new) for key, old, new in pairs if old != new]


def refused(directory: Path) -> list[tuple[int, str]]:
    """(place in the grid, why) of every point that the program refused before the sweep."""
    record = read_record(directory) or {}
    return [(int(index), str(why)) for index, why in record.get("refused") or []]


def has_ended(directory: Path) -> bool:
    """Whether the sweep reached its total or was given up; so too where no sweep has left a study.json."""
    return (read_record(directory) or {}).get("status") != "open"


def ending(directory: Path) -> str | None:
    """Why the sweep ended before its total, where the user's own limits say so; None otherwise."""
    return (read_record(directory) or {}).get("ending")


def _interrupted(trial: TrialView) -> TrialView:
    return trial._replace(state="interrupted") if trial.state == "running" else trial


def stored_trials(directory: Path) -> Study:
    """Optuna's study of this folder, to be read.

    Raises:
        SweepError: the folder holds no study, or its storage is gone.
    """
    record, config = read_record(directory), stored_config(directory)
    if record is None:
        raise SweepError(f"{directory} holds no study")
    settings = stored_settings(config)
    return _load(record["name"], settings.storage, directory.absolute(), str(config.hydra.runtime.cwd))


def stored_url(name: str, url: str | None, directory: Path, launched_in: str) -> str | None:
    """Where the trials of the study lie, seen from this process; None for the journal in its folder.

    Args:
        url: as the study's command gave it.
        launched_in: the folder that a relative path begins in.

    Raises:
        SweepError: the file is gone.
    """
    file = "" if url is None else url.removeprefix("sqlite:///")
    if url is not None and file == url:
        return url.replace(f":{MASK}@", "@")  # drivers look for a password that is not stored
    path = directory / JOURNAL if url is None else Path(launched_in, file)
    if not path.exists():
        raise SweepError(f"{path} is gone: the trials of study {name!r} stood there")
    return None if url is None else f"sqlite:///{path}"


def _load(name: str, stored: str | None, directory: Path, launched_in: str) -> Study:
    """Optuna's study; unlike the sweep, this reader mends nothing."""
    import optuna
    from optuna.storages import get_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = stored_url(name, stored, directory, launched_in)
    if url is None:
        journal = directory / JOURNAL
        try:
            return optuna.load_study(study_name=name, storage=open_journal(journal))
        except KeyError as error:
            raise SweepError(f"{journal} is damaged: it does not hold study {name!r}") from error
    try:
        return optuna.load_study(study_name=name, storage=get_storage(url))
    except Exception as error:  # each driver has errors of its own
        hint = "; its password is not stored: set PGPASSWORD or write ~/.pgpass" if MASK in str(stored) else ""
        reason = str(error).partition("\n")[0]
        raise SweepError(f"{without_passwords(url)} cannot be opened: {reason}{hint}") from error
