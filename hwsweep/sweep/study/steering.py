"""A stored study that a user changes, while it runs or between two starts. Each change is one record in its storage."""

from __future__ import annotations

import difflib
import random
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from hwsweep.sweep import SweepError
from hwsweep.sweep.command import planning
from hwsweep.sweep.command.settings import Settings, stored_settings
from hwsweep.sweep.config_snapshot import Snapshot, stored_loader, stored_snapshot
from hwsweep.sweep.ownership.locks import has_turns, is_running, turn_lock
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.axis import parse_axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.point_check import PointChecker
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.folder import reopen
from hwsweep.sweep.study.record import read_record
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.stored_view import stored_config, stored_url
from hwsweep.sweep.study.trial_attributes import is_paused
from hwsweep.sweep.study.trial_store import TrialStore
from hwsweep.sweep.study.trial_view import STATES
from hwsweep.sweep.trial import Value

MAX_VALUES = 1000
"""The largest number of values that one command adds to a list."""


class SteeredStudy(NamedTuple):
    """A study from its folder, as the sweep's own process has it, and the turn in which it may be changed."""

    directory: Path
    record: Mapping[str, Any]
    """The content of study.json when it was opened."""
    config: DictConfig
    settings: Settings
    proposals: Proposals
    snapshot: Snapshot
    turn: Callable[[], AbstractContextManager[object]]

    @property
    def name(self) -> str:
        """The study's name."""
        return self.proposals.store.name

    @property
    def store(self) -> TrialStore:
        """The trials."""
        return self.proposals.store

    @contextmanager
    def change(self) -> Iterator[SearchPlan]:
        """A block in which the study has its turn; the plan as it stands then."""
        with self.turn():
            yield self.proposals.update()

    def let_go_on(self) -> None:
        """Let the same command go on with a study that is over. It comes before the record of a new trial.

        A command killed in between leaves a study that is open and has nothing left to run.
        """
        reopen(self.directory)

    def check_composition(self, overrides: list[str]) -> None:
        """Compose a trial.

        Raises:
            SweepError: the configuration does not take these overrides.
        """
        try:
            self.snapshot.compose(overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise SweepError(str(error).partition("\n")[0]) from error

    def checker(self, space: Space) -> PointChecker | None:
        """The program's own check; None where this process cannot import it, so that the sweep checks the points."""
        launched_in = Path(str(self.config.hydra.runtime.cwd))
        scripts = [launched_in / word for word in self.record.get("program", []) if word.endswith(".py")]
        sys.path[:0] = [str(folder) for folder in (*(script.parent for script in scripts), launched_in)]
        try:
            return PointChecker(self.settings.check, space, self.snapshot.loader(), self.snapshot.compose)
        except SweepError as error:
            print(f"note: the sweep itself has to check what is new: {error}", file=sys.stderr)
            return None

    def what_next(self) -> str:
        """Whether a process takes up a change, or the command that does."""
        record = read_record(self.directory) or self.record
        if is_running(self.directory) and record["status"] == "open":
            return "the sweep that runs takes it up"
        if not (program := self.record.get("program", ["python", "-m", "hwsweep"])):
            return f"the same call of hwsweep.sweep(..., study={self.name!r}) goes on with it"
        launched_in = str(self.config.hydra.runtime.cwd)
        place = "" if launched_in == str(Path.cwd()) else f"cd {shlex.quote(launched_in)} && "
        command = shlex.join([*program, "-m", f"hydra.sweeper.study_name={self.name}"])
        return f"the same command goes on with it, or: {place}{command}"


def open_study(directory: Path) -> SteeredStudy:
    """The study in this folder, to be changed.

    Raises:
        SweepError: there is none, its storage is gone, or has no lock that all processes see.
    """
    directory = directory.absolute()
    record = read_record(directory)
    if record is not None and not (directory / "multirun.yaml").exists() and is_running(directory):
        raise SweepError(f"study {record['name']!r} begins at this moment; ask again in a few seconds")
    if record is None or not (directory / "multirun.yaml").exists():
        raise SweepError(f"{directory} holds no study (study.json and multirun.yaml); see the folders under outputs/")
    config = stored_config(directory)
    settings = stored_settings(config)
    name = str(record["name"])
    url = stored_url(name, settings.storage, directory, str(config.hydra.runtime.cwd))
    if not has_turns(url):
        kind = str(url).partition(":")[0]
        raise SweepError(f"a study is changed in a journal, SQLite or PostgreSQL, but {name!r} lies in {kind}")
    loader = stored_loader(directory)
    space = planning.read_space(settings, record["question"]["command"], loader, config)
    snapshot = stored_snapshot(directory, name, config)
    base = loader.load_configuration(
        config.hydra.job.config_name, [*snapshot.hydra_overrides, *space.fixed], RunMode.MULTIRUN
    )
    plan = planning.make_plan(settings, space, base, record)
    if plan.points is not None:
        plan = plan.without([(int(index), str(why)) for index, why in record.get("refused") or []])
    store = _existing_store(name, open_storage(url, directory), plan, directory)
    return SteeredStudy(
        directory, record, config, settings, Proposals(plan, store, base), snapshot, turn_lock(name, url, directory)
    )


def _existing_store(name: str, storage: Any, plan: SearchPlan, directory: Path) -> TrialStore:
    """The trials of a study that is there.

    Raises:
        SweepError: the storage does not hold it.
    """
    with suppress(KeyError):
        storage.get_study_id_from_name(name)
        return TrialStore(name, storage, plan.directions)
    raise SweepError(f"the storage of {directory} does not hold study {name!r}")


def read_values(study: SteeredStudy, assignments: Sequence[str]) -> dict[str, tuple[Value, ...]]:
    """The values that `key=value` or `key=value,value` give, by swept key, as the study stores them.

    Raises:
        SweepError: an assignment cannot be read, or its key is not swept.
    """
    axes = {axis.key.lstrip("+"): axis.key for axis in study.proposals.plan.space.axes}
    values: dict[str, tuple[Value, ...]] = {}
    for text in assignments:
        name, equals, written = text.partition("=")
        if not equals:
            raise SweepError(f"{text} cannot be read; write key=value, as in {next(iter(axes), 'x')}=1")
        if (key := axes.get(name.lstrip("+"))) is None:
            near = difflib.get_close_matches(name, axes, 1)
            hint = f"did you mean {near[0]}?" if near else f"the swept keys are {', '.join(axes) or 'none'}"
            raise SweepError(f"{name} is not swept; {hint}")
        if key in values:
            raise SweepError(f"{name} is given twice")
        values[key] = _listed(key, written)
    return values


def _listed(key: str, written: str) -> tuple[Value, ...]:
    """The values that are written after `key=`."""
    parser = OverridesParser.create()
    try:
        override = parser.parse_override(f"{key}={written}")
        if not override.is_sweep_override():
            override = parser.parse_override(f"{key}=choice({written})")
    except HydraException as error:
        raise SweepError(f"{key}={written} cannot be read: {str(error).partition(chr(10))[0]}") from error
    axis = parse_axis(override, random.Random(0), MAX_VALUES)
    if axis.values is None:
        raise SweepError(f"{key}={written} is an interval; give values")
    return axis.values


def trial_state(study: SteeredStudy, number: int) -> str:
    """The trial's state: waiting, paused, running, complete, pruned or failed.

    Raises:
        SweepError: there is no such trial.
    """
    n_trials = study.store.n_trials()
    if not 0 <= number < n_trials:
        has = (
            f"it has the trials 0 to {n_trials - 1}"
            if n_trials > 1
            else "it has trial 0"
            if n_trials
            else "it has none"
        )
        raise SweepError(f"study {study.name!r} has no trial {number}; {has}")
    trial = study.store.trial(number)
    return "paused" if is_paused(trial) else STATES[trial.state.name]


def trials_text(numbers: Sequence[int]) -> str:
    """ "trial 3", or "trials 3, 4 and 7"."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    return f"trials {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def point_text(point: Mapping[str, Any]) -> str:
    """The point in one line: "vae.lambda=7 vae.latent=10"."""
    return " ".join(f"{key}={value}" for key, value in point.items())
