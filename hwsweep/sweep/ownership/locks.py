"""Which processes work on a study's folder, and the lock under which they take turns. Locks end with their process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from hwsweep.postgresql import exclusive_connection, is_postgresql

LOCK = "study.lock"
"""Held by a study's only process; each of several holds one of this name with its own name appended."""
JOIN_LOCK = "join.lock"
"""Held by the process that is about to join, so that one joins after the other."""


class FolderLock:
    """The locks of this process on a study's folder, held to the end of a `with` block, and of the process at most."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.join_lock = FileLock(path / JOIN_LOCK)
        self.lock = FileLock(path / LOCK)

    def acquire(self, join: bool) -> bool:
        """Lock the folder; False if another process has it.

        Args:
            join: processes that share the study do not count, and those that are just joining are waited for.
        """
        if join:
            self.join_lock.acquire()
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            self.join_lock.release()
            return False
        if not join and any(is_held(other) for other in self.path.glob(f"{LOCK}.*")):
            self.lock.release()
            return False
        return True

    def share(self) -> None:
        """Let others join: hold a lock of this process's own instead."""
        common = self.lock
        self.lock = FileLock(self.path / f"{LOCK}.{socket.gethostname()}.{os.getpid()}")
        self.lock.acquire(timeout=0)
        common.release()
        self.join_lock.release()

    def release(self) -> None:
        """Unlock the folder."""
        self.lock.release()
        self.join_lock.release()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def is_running(directory: Path) -> bool:
    """Whether a process works on the study in this folder."""
    return any(is_held(lock) for lock in directory.glob(f"{LOCK}*"))


def has_turns(url: str | None) -> bool:
    """Whether all processes of a study see a lock of a storage at this URL; None is the journal in the folder."""
    return url is None or url.startswith("sqlite:") or is_postgresql(url)


def turn_lock(name: str, url: str | None, directory: Path) -> Callable[[], AbstractContextManager[object]]:
    """The lock under which the processes of study `name` change it; a call gives the block that holds it."""
    if url is not None and is_postgresql(url):
        return lambda: exclusive_connection(url, f"hwsweep study {name}")
    return lambda: FileLock(directory / "turn.lock")
