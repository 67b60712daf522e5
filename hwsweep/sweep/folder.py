"""A study's folder: found or begun, owned by one process, never overwritten, resumed only for the same question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from hydra.conf import SweepDir
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep.sweep import SweepError
from hwsweep.sweep.outcome import write_atomically

LOCK = "study.lock"


class Folder(NamedTuple):
    """The open folder of a study; its lock lives as long as this process."""

    name: str
    path: Path
    lock: FileLock
    resumed: bool

    def read(self) -> dict[str, Any]:
        """What study.json says."""
        record = read_record(self.path)
        assert record is not None
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Put study.json in place, whole."""
        write_atomically(self.path / "study.json", json.dumps(record, indent=2) + "\n")

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
        return _named(str(name), place(config, str(name)), record)
    new = unused_name(config)
    root = place(config, new).parent
    if place(config, "a") != place(config, "b"):
        for path in sorted(root.glob("*/study.json")):
            if (found := _interrupted(path.parent, record["question"])) is not None:
                return found
    return _named(new, place(config, new), record)


def read_record(path: Path) -> dict[str, Any] | None:
    """What study.json in a study's folder says; None if there is no study."""
    try:
        record: dict[str, Any] = json.loads((path / "study.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record


def place(config: DictConfig, name: str) -> Path:
    """Where a study of this name lies: hydra.sweep.dir; outputs/<name> if the application leaves Hydra's default."""
    with flag_override(config.hydra, ["readonly", "struct"], False):
        previous = config.hydra.sweeper.study_name
        config.hydra.sweeper.study_name = name
        written = OmegaConf.to_container(config.hydra.sweep, resolve=False)
        assert isinstance(written, dict)
        default = written["dir"] == SweepDir().dir or str(written["dir"]).startswith("multirun/${now:")
        path = Path("outputs", name) if default else Path(str(config.hydra.sweep.dir))
        config.hydra.sweeper.study_name = previous
    return path.absolute()


def unused_name(config: DictConfig) -> str:
    """A name made of the time, that no folder has yet."""
    stem = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    names = (stem if n == 1 else f"{stem}_{n}" for n in range(1, 1000))
    return next((name for name in names if not (place(config, name) / "study.json").exists()), stem)


def _named(name: str, path: Path, record: Mapping[str, Any]) -> Folder:
    path.mkdir(parents=True, exist_ok=True)
    lock = _own(path)
    if lock is None:
        raise SweepError(f"study {name!r} is running in another process; wait for it or give another study_name")
    if (path / "study.json").exists():
        folder = Folder(name, path, lock, resumed=True)
        if differences := compare(folder.read()["question"], record["question"]):
            shown = "\n  ".join(differences)
            raise SweepError(
                f"study {name!r} was begun with another configuration:\n  {shown}\n"
                "restore it, or give another hydra.sweeper.study_name"
            )
        return folder
    strangers = [entry.name for entry in path.iterdir() if entry.name != LOCK and entry.suffix != ".tmp"]
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
    lock = _own(path)
    return None if lock is None else Folder(record["name"], path, lock, resumed=True)


def _own(path: Path) -> FileLock | None:
    """The study's lock, held until this process ends in any way; None if another process holds it."""
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


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
