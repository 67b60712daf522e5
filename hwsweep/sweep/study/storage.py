"""Optuna's storage of a study: a journal file that survives its writer's death, or a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from hwsweep.postgresql import exclusive_connection, has_table, is_postgresql
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"


class JournalLock:
    """The journal's lock; the kernel frees it when its holder dies, while Optuna's own would stay for 30 s."""

    def __init__(self, path: Path) -> None:
        self.lock = FileLock(path)

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def open_storage(url: str | None, directory: Path) -> BaseStorage:
    """Optuna's storage at the URL; without one, the journal in the study's folder.

    Raises:
        SweepError: the database's driver is not installed, or the database is MLflow's.
    """
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    if url is not None:
        with _one_creates_tables(url):
            return get_storage(url)
    path = directory / JOURNAL
    lock = JournalLock(directory / f"{JOURNAL}.lock")
    with lock.lock:  # under it, no other process is in the middle of a line
        _cut_incomplete_line(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


@contextmanager
def _one_creates_tables(url: str) -> Iterator[None]:
    """In PostgreSQL one process creates the tables, and others that start at the same moment wait."""
    if not is_postgresql(url):
        yield
        return
    try:
        with exclusive_connection(url, "optuna's tables") as connection:
            if has_table(connection, "experiments"):
                raise SweepError("the storage is MLflow's database; Optuna needs one of its own (createdb studies)")
            yield
    except ImportError as error:
        raise SweepError(f"hydra.sweeper.storage: {error}") from error


def _cut_incomplete_line(path: Path) -> None:
    """Remove a last line whose writer died in the middle: its record never took effect."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):
            file.truncate(complete)
            os.fsync(file.fileno())
