"""A study's folder: found by what is searched, locked while a process works on it, described by study.json."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from hwsweep import files
from hwsweep.sweep import SweepError
from hwsweep.sweep.disk import disk_errors
from hwsweep.sweep.ownership.locks import JOIN_LOCK, LOCK, FolderLock
from hwsweep.sweep.study.location import earlier_directories, is_fixed, study_directory, time_name
from hwsweep.sweep.study.record import ABSENT, FORMAT, RECORD, differences, read_any_version, read_record


class StudyFolder(NamedTuple):
    """The open folder of a study; this process holds its lock until it ends."""

    name: str
    path: Path
    lock: FolderLock
    is_resumed: bool
    new_folders: tuple[Path, ...] = ()
    """This folder and those around it, as far as this process made them; the innermost first."""
    entries_before: frozenset[str] = frozenset()
    """What lay in the folder before."""

    def read(self) -> dict[str, Any]:
        """The content of study.json.

        Raises:
            SweepError: somebody has removed it.
        """
        if (record := read_record(self.path)) is None:
            raise SweepError(f"{self.path / RECORD} has been removed; without it the study cannot go on or end")
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace study.json."""
        files.write_json(self.path / RECORD, record)

    @contextmanager
    def deleted_if_unused(self) -> Iterator[None]:
        """Remove what this process has made of a new study if an exception ends the block before a trial ran."""
        try:
            yield
        except BaseException:
            if not self.is_resumed and not any(entry.name.isdigit() for entry in self.path.iterdir()):
                self._remove()
            raise

    def _remove(self) -> None:
        """Remove what was not there before: the folder may be the user's own."""
        self.lock.release()
        for entry in self.path.iterdir():
            if entry.name not in self.entries_before:
                files.remove(entry)
        _remove_empty(self.new_folders)

    def write_ending(self, sentence: str | None) -> None:
        """Store why the sweep has ended before its total; None removes what is stored."""
        record = self.read()
        if record.get("ending") != sentence:
            self.write({**record, "ending": sentence})

    def mark_over(self) -> None:
        """Store that no trial is left to run; the study's result is still missing."""
        if self.read()["status"] == "open":  # another process may have shown the result
            self.write({**self.read(), "status": "over"})

    def mark_ended(self) -> None:
        """Store that the study has ended, its result included: the same command begins a new one from now on."""
        if self.read()["status"] == "over":  # a user may have added a trial meanwhile
            self.write({**self.read(), "status": "ended"})

    def mark_open(self) -> None:
        """Store that this process takes whatever is left to run, or is added."""
        reopen(self.path)


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
        return _open_named(str(name), named_directory(config, str(name)), record, bool(config.hydra.sweeper.join))
    if is_fixed(config):
        return _open_named(time_name(), study_directory(config, time_name()), record, join=False)
    for path in earlier_directories(config, None, RECORD):
        if (folder := _open_interrupted(path, record["question"])) is not None:
            return folder
    return _create(config, record)


def named_directory(config: DictConfig, name: str) -> Path:
    """Where the study of this name lies, or will lie if there is none."""
    path = study_directory(config, name)
    earlier = earlier_directories(config, name, RECORD)
    if earlier in ([], [path]):
        return path
    return next((found for found in earlier if _name(found) == name), path)


def _name(path: Path) -> str | None:
    """The name of the study in the folder; None if that cannot be read."""
    with suppress(SweepError):
        return (read_any_version(path) or {}).get("name")
    return None


def reopen(path: Path) -> bool:
    """Let the study in this folder go on with the same command; True if it was over or had ended."""
    record = read_record(path)
    if record is None or record["status"] == "open":
        return False
    files.write_json(path / RECORD, {**record, "status": "open"})
    return True


def _create(config: DictConfig, record: Mapping[str, Any]) -> StudyFolder:
    """A folder that did not exist before, also when several sweeps begin in the same second."""
    stem = time_name()
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}_{number}"
        path = study_directory(config, name)
        new_folders = _make_folder(path)
        if path in new_folders or path == study_directory(config, f"{stem}_{number + 1}"):
            return _open_at(name, path, record, False, new_folders)
    raise AssertionError  # unreachable: the count does not end


def _open_named(name: str, path: Path, record: Mapping[str, Any], join: bool) -> StudyFolder:
    return _open_at(name, path, record, join, _make_folder(path))


def _make_folder(path: Path) -> tuple[Path, ...]:
    """The folders that were made so that this one exists, the innermost first."""
    new_folders: list[Path] = []
    with disk_errors(path):
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                with suppress(FileExistsError):
                    folder.mkdir()
                    new_folders.insert(0, folder)
    return tuple(new_folders)


def _open_at(
    name: str, path: Path, record: Mapping[str, Any], join: bool, new_folders: tuple[Path, ...]
) -> StudyFolder:
    try:
        with disk_errors(path):
            entries = frozenset(entry.name for entry in path.iterdir())
            others = sorted(entry for entry in entries if not _is_ours(entry))
            if others and RECORD not in entries:
                raise SweepError(f"{path} holds other files ({others[0]}, ...); give another study_name or sweep.dir")
            lock = FolderLock(path)
            if not lock.acquire(join):
                raise SweepError(
                    f"study {name!r} is running in another process; wait for it or give another study_name "
                    "(several processes share a study if each is begun with hydra.sweeper.join=true)"
                )
            if (stored := read_record(path)) is not None:
                _check_question(stored, record, name)
                return StudyFolder(stored["name"], path, lock, is_resumed=True)
            folder = StudyFolder(name, path, lock, False, new_folders, entries)
            with folder.deleted_if_unused():
                folder.write({"name": name, "format": FORMAT, "status": "open", **record})
            return folder
    except BaseException:
        _remove_empty(new_folders)
        raise


def _check_question(stored: Mapping[str, Any], record: Mapping[str, Any], name: str) -> None:
    """Check that the study has begun with the same question; keys that a newer version adds to conf do not count.

    The trials are composed from the study's copy of conf, which lacks these keys.

    Raises:
        SweepError: it has not.
    """
    lines = differences(stored["question"], record["question"])
    if lines := [line for line in lines if not (line.startswith("config.") and f": {ABSENT} -> " in line)]:
        listed = "\n  ".join(lines)
        raise SweepError(
            f"study {name!r} was begun with another configuration:\n  {listed}\n"
            "restore it, or give another hydra.sweeper.study_name"
        )


def _is_ours(entry: str) -> bool:
    """Whether a process that was killed at the start of a study may have left a file of this name."""
    return entry == JOIN_LOCK or entry.startswith((LOCK, f".{RECORD}."))


def _remove_empty(new_folders: tuple[Path, ...]) -> None:
    """Remove the folders, the innermost first, as far as nothing lies in them."""
    with suppress(OSError):
        for folder in new_folders:
            folder.rmdir()


def _open_interrupted(path: Path, question: Mapping[str, Any]) -> StudyFolder | None:
    """The folder, locked, if it holds a study with the same question that has not ended and that no process runs."""
    try:
        record = read_any_version(path)
    except SweepError as error:
        print(f"note: {error}")
        return None
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
    with disk_errors(path):
        lock = FolderLock(path)
        return StudyFolder(record["name"], path, lock, is_resumed=True) if lock.acquire(join=False) else None
