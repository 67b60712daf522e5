"""A study's folder: found by what is searched, locked while a process works on it, described by study.json."""

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
from hwsweep.sweep.study.locks import FolderLock

RECORD = "study.json"
FORMAT = 2
"""Of study.json and the trials; raise it when a study of the version before cannot go on."""
ABSENT = "(absent)"


class StudyFolder(NamedTuple):
    """The open folder of a study; this process holds its lock until it ends."""

    name: str
    path: Path
    lock: FolderLock
    is_resumed: bool

    def read(self) -> dict[str, Any]:
        """The content of study.json."""
        record = read_record(self.path)
        assert record is not None
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace study.json."""
        files.write_json(self.path / RECORD, record)

    @contextmanager
    def deleted_if_unused(self) -> Iterator[None]:
        """Delete the folder of a new study if an exception ends the block before a trial ran."""
        try:
            yield
        except BaseException:
            if not self.is_resumed and not any(entry.name.isdigit() for entry in self.path.iterdir()):
                self.lock.release()
                shutil.rmtree(self.path)
            raise

    def mark_over(self) -> None:
        """Store that no trial is left to run; the study's result is still missing."""
        if self.read()["status"] == "open":  # another process may have shown the result
            self.write({**self.read(), "status": "over"})

    def mark_ended(self) -> None:
        """Store that the study has ended, its result included: the same command begins a new one from now on."""
        self.write({**self.read(), "status": "ended"})


def open_folder(config: DictConfig, record: Mapping[str, Any]) -> StudyFolder:
    """The folder of the study with this question: a named one, an interrupted one, or a new one.

    Args:
        config: Hydra's composed configuration, which says where the folder lies.
        record: the content of study.json for a new study. Its `question` (command, search space, configuration)
            decides the trials: only a study with the same question is resumed.

    Raises:
        SweepError: the named study has another question or format, runs elsewhere, or its folder is in use.
    """
    name = OmegaConf.select(config, "hydra.sweeper.study_name")
    if name is not None:
        return _open_named(str(name), study_directory(config, str(name)), record, bool(config.hydra.sweeper.join))
    if study_directory(config, "a") == study_directory(config, "b"):  # the application's own folder for all studies
        return _open_named(time_name(), study_directory(config, time_name()), record, join=False)
    for path in sorted(study_directory(config, "a").parent.glob(f"*/{RECORD}")):
        if (folder := _open_interrupted(path.parent, record["question"])) is not None:
            return folder
    return _create(config, record)


def read_record(path: Path) -> dict[str, Any] | None:
    """The content of study.json in a study's folder; None if there is no study.

    Raises:
        SweepError: another version of hwsweep began the study.
    """
    record: dict[str, Any] | None = files.read_json(path / RECORD)
    if record is not None and (version := record.get("format", 1)) != FORMAT:
        raise SweepError(
            f"study {record['name']!r} was begun by another version of hwsweep (format {version}, this one needs "
            f"{FORMAT}); use that version, or give another hydra.sweeper.study_name"
        )
    return record


def study_directory(config: DictConfig, name: str) -> Path:
    """Where a study of this name lies: hydra.sweep.dir; outputs/<name> if the application leaves Hydra's default."""
    with flag_override(config.hydra, ["readonly", "struct"], False):
        previous = config.hydra.sweeper.study_name
        config.hydra.sweeper.study_name = name
        unresolved = OmegaConf.to_container(config.hydra.sweep, resolve=False)
        assert isinstance(unresolved, dict)
        is_default = str(unresolved["dir"]).startswith("multirun/${now:")
        path = Path("outputs", name) if is_default else Path(str(config.hydra.sweep.dir))
        config.hydra.sweeper.study_name = previous
    return path.absolute()


def time_name() -> str:
    """The current time as a study's name."""
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line `key: old -> new` per difference, keys in dotted form."""
    before, after = flatten(old), flatten(new)
    changed = [key for key in {**before, **after} if before.get(key, ABSENT) != after.get(key, ABSENT)]
    return [f"{key}: {before.get(key, ABSENT)} -> {after.get(key, ABSENT)}" for key in changed]


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; lists are leaves."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, inner in value.items():
        leaves.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return leaves


def _create(config: DictConfig, record: Mapping[str, Any]) -> StudyFolder:
    """A folder that did not exist before, also when several sweeps begin in the same second."""
    stem = time_name()
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}_{number}"
        with suppress(FileExistsError):
            study_directory(config, name).mkdir(parents=True)
            return _open_named(name, study_directory(config, name), record, join=False)
    raise AssertionError  # unreachable: the count does not end


def _open_named(name: str, path: Path, record: Mapping[str, Any], join: bool) -> StudyFolder:
    path.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(path)
    if not lock.acquire(join):
        raise SweepError(
            f"study {name!r} is running in another process; wait for it or give another study_name "
            "(several processes share a study if each is begun with hydra.sweeper.join=true)"
        )
    if (stored := read_record(path)) is not None:
        if lines := differences(stored["question"], record["question"]):
            listed = "\n  ".join(lines)
            raise SweepError(
                f"study {name!r} was begun with another configuration:\n  {listed}\n"
                "restore it, or give another hydra.sweeper.study_name"
            )
        return StudyFolder(stored["name"], path, lock, is_resumed=True)
    others = [entry.name for entry in path.iterdir() if entry.suffix not in (".lock", ".tmp")]
    if others:
        raise SweepError(f"{path} holds other files ({others[0]}, ...); give another study_name or sweep.dir")
    folder = StudyFolder(name, path, lock, is_resumed=False)
    folder.write({"name": name, "format": FORMAT, "status": "open", **record})
    return folder


def _open_interrupted(path: Path, question: Mapping[str, Any]) -> StudyFolder | None:
    """The folder, locked, if it holds a study with the same question that has not ended and that no process runs."""
    record = files.read_json(path / RECORD)
    if record is None or record["status"] == "ended" or record["question"]["command"] != question["command"]:
        return None
    try:
        read_record(path)
    except SweepError as error:
        print(f"a new study begins: {error}")
        return None
    if lines := differences(record["question"], question):
        listed = "\n  ".join(lines)
        print(f"{path} has the same command but another configuration; a new study begins\n  {listed}")
        return None
    lock = FolderLock(path)
    return StudyFolder(record["name"], path, lock, is_resumed=True) if lock.acquire(join=False) else None
