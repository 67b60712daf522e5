"""A study's folder: found or begun, owned by one process, never overwritten, resumed only for the same question."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep import files
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.locks import Hold


class Folder(NamedTuple):
    """The open folder of a study; its lock lives as long as this process."""

    name: str
    path: Path
    lock: Hold
    resumed: bool

    def read(self) -> dict[str, Any]:
        """What study.json says."""
        record = read_record(self.path)
        assert record is not None
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Put study.json in place, whole."""
        files.write_json(self.path / "study.json", record)

    @contextmanager
    def discarded_if_unused(self) -> Iterator[None]:
        """Remove the folder of a new study if an exception ends it before anything was run."""
        try:
            yield
        except BaseException:
            if not self.resumed and not any(entry.name.isdigit() for entry in self.path.iterdir()):
                self.lock.release()
                shutil.rmtree(self.path)
            raise

    def end(self) -> None:
        """Mark the study as ended: the same command begins a new one from now on."""
        self.write({**self.read(), "status": "ended"})


def open_folder(config: DictConfig, record: Mapping[str, Any]) -> Folder:
    """The folder of the study that asks this question: a named one, an interrupted one, or a new one.

    Args:
        config: Hydra's composed configuration; where the folder lies.
        record: what study.json is to say of a new study. Its `question` (command, search space, configuration)
            decides the trials: only a study with the same one is gone on with.

    Raises:
        SweepError: the named study asks another question, is running elsewhere, or its folder is taken.
    """
    name = OmegaConf.select(config, "hydra.sweeper.study_name")
    if name is not None:
        return _named(str(name), place(config, str(name)), record, bool(config.hydra.sweeper.join))
    if place(config, "a") == place(config, "b"):  # the application has chosen one folder for all
        return _named(time_name(), place(config, time_name()), record, join=False)
    for path in sorted(place(config, "a").parent.glob("*/study.json")):
        if (found := _interrupted(path.parent, record["question"])) is not None:
            return found
    return _new(config, record)


def read_record(path: Path) -> dict[str, Any] | None:
    """What study.json in a study's folder says; None if there is no study."""
    record: dict[str, Any] | None = files.read_json(path / "study.json")
    return record


def place(config: DictConfig, name: str) -> Path:
    """Where a study of this name lies: hydra.sweep.dir; outputs/<name> if the application leaves Hydra's default."""
    with flag_override(config.hydra, ["readonly", "struct"], False):
        previous = config.hydra.sweeper.study_name
        config.hydra.sweeper.study_name = name
        written = OmegaConf.to_container(config.hydra.sweep, resolve=False)
        assert isinstance(written, dict)
        hydras_own = str(written["dir"]).startswith("multirun/${now:")
        path = Path("outputs", name) if hydras_own else Path(str(config.hydra.sweep.dir))
        config.hydra.sweeper.study_name = previous
    return path.absolute()


def time_name() -> str:
    """A name made of the time."""
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _new(config: DictConfig, record: Mapping[str, Any]) -> Folder:
    """A folder that was not there before, even if several sweeps begin in the same second."""
    stem = time_name()
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}_{number}"
        with suppress(FileExistsError):
            place(config, name).mkdir(parents=True)
            return _named(name, place(config, name), record, join=False)
    raise AssertionError  # unreachable: the names do not end


def _named(name: str, path: Path, record: Mapping[str, Any], join: bool) -> Folder:
    path.mkdir(parents=True, exist_ok=True)
    lock = Hold(path)
    if not lock.take(join):
        raise SweepError(
            f"study {name!r} is running in another process; wait for it or give another study_name "
            "(several processes share a study if each is begun with hydra.sweeper.join=true)"
        )
    if (found := read_record(path)) is not None:
        if differences := compare(found["question"], record["question"]):
            shown = "\n  ".join(differences)
            raise SweepError(
                f"study {name!r} was begun with another configuration:\n  {shown}\n"
                "restore it, or give another hydra.sweeper.study_name"
            )
        return Folder(found["name"], path, lock, resumed=True)
    strangers = [entry.name for entry in path.iterdir() if entry.suffix not in (".lock", ".tmp")]
    if strangers:
        raise SweepError(f"{path} holds other files ({strangers[0]}, ...); give another study_name or sweep.dir")
    folder = Folder(name, path, lock, resumed=False)
    folder.write({"name": name, "status": "open", **record})
    return folder


def _interrupted(path: Path, question: Mapping[str, Any]) -> Folder | None:
    """The folder, locked, if it is an unfinished study of the same question that nobody runs."""
    record = read_record(path)
    if record is None or record["status"] != "open" or record["question"]["command"] != question["command"]:
        return None
    if differences := compare(record["question"], question):
        shown = "\n  ".join(differences)
        print(f"{path} has the same command but another configuration; a new study begins\n  {shown}")
        return None
    lock = Hold(path)
    return None if not lock.take(join=False) else Folder(record["name"], path, lock, resumed=True)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line `key: old -> new` per difference, keys in dotted form."""
    before, after = flatten(old), flatten(new)
    changed = [key for key in {**before, **after} if before.get(key, "(absent)") != after.get(key, "(absent)")]
    return [f"{key}: {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}" for key in changed]


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; lists are leaves."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, inner in value.items():
        leaves.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return leaves
