"""Where Optuna keeps the study: a journal file that survives its writer's death, or a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        return get_storage(url)
    path = directory / "journal.log"
    _drop_torn_line(path)
    lock: Any = _ProcessLock(directory / "journal.log.lock")
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


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
