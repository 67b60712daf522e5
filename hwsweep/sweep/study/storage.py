"""Where Optuna keeps the study: a journal file that survives its writer's death, or a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep.postgresql import has_table, is_postgresql, one_at_a_time
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


class _ProcessLock:
    """The journal's lock: the kernel frees it when its owner dies (Optuna's own would stay for 30 s)."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self.lock = FileLock(path)

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def open_storage(url: str | None, directory: Path) -> BaseStorage:
    """Optuna's storage: at the URL, or the journal in the study's folder, freed of a half-written last line."""
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    if url is not None:
        with _creating(url):
            return get_storage(url)
    path = directory / "journal.log"
    lock: Any = _ProcessLock(directory / "journal.log.lock")
    with lock.lock:  # what looks torn may be a line that another process is about to end
        _drop_torn_line(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


@contextmanager
def _creating(url: str) -> Iterator[None]:
    """The first process makes the tables; others that come at the same moment wait for it.

    Raises:
        SweepError: the database's driver is not installed, or the database is MLflow's.
    """
    if not is_postgresql(url):
        yield
        return
    try:
        with one_at_a_time(url, "optuna's tables") as connection:
            if has_table(connection, "experiments"):
                raise SweepError("the storage is MLflow's database; Optuna needs one of its own (createdb studies)")
            yield
    except ImportError as error:
        raise SweepError(f"hydra.sweeper.storage: {error}") from error


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that its writer did not live to end; the record it began never took effect."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())
