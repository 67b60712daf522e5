"""The study that another one goes on from: its command, its best trials, and copies of their folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from hwsweep import files, run_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.config_snapshot import hydra_overrides, plain_config
from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.settings import Settings
from hwsweep.sweep.study.folder import differences, read_record
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.trial_attributes import trial_params

SPACE_SETTINGS = {"params", "zip", "exclude", "when", "seeds", "seed_key", "check", "max_points", "n_trials"} | {
    "direction",
    "custom_search_space",
}
"""Settings of the sweeper that a study takes over from the one whose trials it copies: they describe the points."""
OF_ONE_RUN = (
    *(run_folder.OUTCOME, run_folder.PAUSED_OUTCOME, run_folder.PROCESS, run_folder.OUTPUT, run_folder.MESSAGES),
    *(run_folder.PRUNED, run_folder.RESULT, run_folder.ARRAYS, run_folder.FIGURES),
)
"""What a copy leaves out: how the run ended and what it showed."""


class Copy(NamedTuple):
    """A trial that begins as a copy of another study's trial."""

    trial: int
    """The other trial's number."""
    folder: str
    """Its folder, absolute."""
    point: Point


def source_record(directory: str) -> dict[str, Any]:
    """The content of study.json of the study that the setting `from` names.

    Raises:
        SweepError: there is no study.
    """
    if (record := read_record(Path(directory))) is None:
        raise SweepError(f"hydra.sweeper.from must be the folder of a study, but {directory} has no study.json")
    return record


def with_source_command(
    config: DictConfig, arguments: list[str], loader: ConfigLoader, settings: Settings
) -> tuple[DictConfig, list[str]]:
    """The command of the study whose trials are copied, with what the new command changes; the new one without `top`.

    Raises:
        SweepError: there is no such study, or the new command sweeps.
    """
    if settings.top is None or settings.from_ is None:
        return config, arguments
    record = source_record(settings.from_)
    command = [str(line) for line in record["question"]["command"]]
    parser = OverridesParser.create(config_loader=loader)
    for line in arguments:
        if line not in command and parser.parse_override(line).is_sweep_override():
            raise SweepError(f"top={settings.top} takes the points of {settings.from_}; give {line} a single value")
    own = [line for line in record["hydra_overrides"] if _describes_points(line)]
    task = _latest([*command, *arguments])
    overrides = [*_latest([*own, *hydra_overrides(config)]), *task]
    if hidden := [line for line in overrides if files.MASK in line]:
        raise SweepError(f"{settings.from_} was begun with a password, which is not stored; give it again: {hidden[0]}")
    return loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.MULTIRUN), task


def _describes_points(line: str) -> bool:
    key = line.partition("=")[0].lstrip("+")
    return key == "hydra.searchpath" or (key.startswith("hydra.sweeper.") and key.split(".")[2] in SPACE_SETTINGS)


def _latest(lines: Iterable[str]) -> list[str]:
    """The latest override of each key, in the order in which the keys come first."""
    return list({line.partition("=")[0].lstrip("+"): line for line in lines}.values())


def copied_trials(settings: Settings, space: Space) -> list[Copy]:
    """The best trials of the other study, the best one first; none unless `top` asks for them.

    Raises:
        SweepError: it has not so many, or the folder of one is gone.
    """
    if settings.top is None or settings.from_ is None:
        return []
    view = stored_view(Path(settings.from_))
    if len(view.directions) > 1:
        raise SweepError(f"top={settings.top}: {settings.from_} has several objectives, so no trial is the best")
    best = view.ranked_trials[: settings.top]
    if len(best) < settings.top:
        known = f"{len(best)} complete trial{'s' * (len(best) != 1)}"
        raise SweepError(f"top={settings.top}: {settings.from_} has {known} that could be the best")
    if gone := [trial.directory for trial in best if not trial.directory.is_dir()]:
        raise SweepError(f"top={settings.top}: {gone[0]} is gone")
    records = [(trial, trial_params(trial.record)) for trial in best if trial.record is not None]
    return [Copy(trial.number, str(trial.directory), _point(space, params)) for trial, params in records]


def _point(space: Space, params: Mapping[str, Any]) -> Point:
    """The values of a trial of the other study that the new command does not fix."""
    fixed = {line.partition("=")[0].lstrip("+") for line in space.fixed}
    return space.point_of_trial({key: value for key, value in params.items() if key.lstrip("+") not in fixed})


def changes(settings: Settings, base: DictConfig) -> list[str]:
    """A line for each key of the configuration that differs from the study whose trials are copied.

    Raises:
        SweepError: nothing differs, so that the copies have nothing to do.
    """
    assert settings.from_ is not None
    lines = differences(source_record(settings.from_)["question"]["config"], files.masked(plain_config(base)))
    if not lines:
        raise SweepError(f"the copies of {settings.from_} would only repeat it; change something, such as epochs=40")
    return [f"  {line}" for line in lines]


def copy_trial(source: Path, target: Path) -> None:
    """Make the folder of a trial as a copy of another one, unless it is there: it appears as a whole.

    Raises:
        SweepError: the other folder is gone.
    """
    if target.exists():
        return
    if not source.is_dir():
        raise SweepError(f"{source} is gone, which {target} goes on from")
    with files.whole(target) as part:
        shutil.copytree(source, part, ignore=_without_results)
        for folder in (part, *part.glob("seed_*")):
            run_folder.write_origin_folder(folder, source)


def _without_results(_: str, names: list[str]) -> list[str]:
    return [name for name in names if any(fnmatch(name, pattern) for pattern in OF_ONE_RUN)]
