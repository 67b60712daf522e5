"""The study that another one goes on from: its command, its best trials, and copies of their folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hwsweep import files, run_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.config_snapshot import hydra_overrides, plain_config
from hwsweep.sweep.search.earlier_trials import earlier_trial
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Point, Space
from hwsweep.sweep.study.record import differences, read_record
from hwsweep.sweep.study.storage import open_journal
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.trial_attributes import trial_params

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SPACE_SETTINGS = {"params", "zip", "exclude", "when", "seeds", "seed_key", "check", "max_points", "n_trials"} | {
    "direction",
    "custom_search_space",
}
"""Settings of the sweeper that a study takes over from the one whose trials it copies: they describe the points."""
HISTORY = "history.log"
"""In a study's folder: the trials of another study that its sampler knows at the beginning."""
MAX_LINES = 5
"""Keys with another value that the first lines list."""
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


def copied_trials(settings: Settings, space: Space, base: DictConfig) -> tuple[list[dict[str, Any]], list[str]]:
    """The best trials of the other study as `Copy`, the best one first, and a line for each key that differs here.

    Both are empty unless `top` asks for them.

    Raises:
        SweepError: it has not so many, the folder of one is gone, or nothing differs.
    """
    if settings.top is None or settings.from_ is None:
        return [], []
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
    copies = [Copy(trial.number, str(trial.directory), _point(space, params)) for trial, params in records]
    return [copy._asdict() for copy in copies], _changes(settings.from_, base)


def _point(space: Space, params: Mapping[str, Any]) -> Point:
    """The values of a trial of the other study that the new command does not fix."""
    fixed = {line.partition("=")[0].lstrip("+") for line in space.fixed}
    return space.point_of_trial({key: value for key, value in params.items() if key.lstrip("+") not in fixed})


def _changes(source: str, base: DictConfig) -> list[str]:
    """A line for each key of the configuration that differs from the study whose trials are copied.

    Raises:
        SweepError: nothing differs, so that the copies have nothing to do.
    """
    lines = differences(source_record(source)["question"]["config"], files.masked(plain_config(base)))
    if not lines:
        raise SweepError(f"the copies of {source} would only repeat it; change something, such as epochs=40")
    return [f"  {line}" for line in lines]


def write_history(settings: Settings, plan: SearchPlan, base: DictConfig, folder: Path) -> list[str]:
    """Store the other study's trials as the sampler will see them; lines that say which keys do not match.

    Does nothing in a study that has them.

    Raises:
        SweepError: the plan has no sampler, or none of the trials has a point of its space.
    """
    if settings.from_ is None or settings.top is not None or (folder / HISTORY).exists():
        return []
    source = settings.from_
    if plan.points is not None:
        raise SweepError(f"from={source}: a grid has no sampler that could learn; give top, or n_trials below its size")
    record, view = source_record(source), stored_view(Path(source))
    if list(view.directions) != plan.directions:
        here, theirs = ", ".join(plan.directions), ", ".join(view.directions)
        raise SweepError(f"from={source}: its direction is {theirs}, but this search has {here}")
    axes = {axis.key.lstrip("+"): axis.key for axis in plan.space.axes}
    there = {key.lstrip("+") for key in view.axes}
    fixed = {key: OmegaConf.select(view.config, key) for key in axes if key not in there and key not in plan.space.when}
    fixed = {key: value for key, value in fixed.items() if value is not None}
    ended = [trial for trial in view.trials if trial.state in ("complete", "pruned") and trial.record is not None]
    found = []
    for trial in ended:
        own = {key.lstrip("+"): value for key, value in trial.params.items()}
        values = {**fixed, **{key: value for key, value in own.items() if key in axes}}
        found.append(trial.record and earlier_trial(plan.space, trial.record, values))
    earlier = [trial for trial in found if trial is not None]
    lines = _mismatches(source, there, axes, fixed)
    if not earlier:
        none = f"from={source}: none of its {len(ended)} ended trials has a point of this search"
        raise SweepError("; ".join([none, *(line.strip() for line in lines)]))
    _store_trials(folder / HISTORY, earlier, plan.directions)
    swept = tuple(f"{key}:" for key in {*axes, *there})
    other = differences(record["question"]["config"], files.masked(plain_config(base)))
    other = [line for line in other if not line.startswith(swept)][:MAX_LINES]
    known = f"the sampler begins with {len(earlier)} of {len(ended)} ended trials of {source}"
    return [known, *lines, *(f"  its configuration is another one: {line}" for line in other)]


def _mismatches(source: str, there: set[str], axes: Mapping[str, str], fixed: Mapping[str, Any]) -> list[str]:
    """Lines that name the keys which only one of the two studies sweeps over."""
    lines = [f"  {source} sweeps over {key}, this search does not" for key in sorted(there - set(axes))]
    for key in (key for key in axes if key not in there):
        value = f"{fixed[key]} in all trials of {source}" if key in fixed else f"has no value in {source}"
        lines.append(f"  {key}: {value}" if key in fixed else f"  {key} {value}")
    return lines


def _store_trials(path: Path, trials: list[FrozenTrial], directions: list[Any]) -> None:
    """Write the trials as a journal of Optuna's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with files.whole(path) as part:
        study = optuna.create_study(storage=open_journal(part), study_name="history", directions=directions)
        study.add_trials(trials)


def read_history(folder: Path) -> list[FrozenTrial]:
    """The trials that `write_history` stored; none without them."""
    import optuna

    if not (folder / HISTORY).exists():
        return []
    return optuna.load_study(study_name="history", storage=open_journal(folder / HISTORY)).get_trials(deepcopy=False)


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
