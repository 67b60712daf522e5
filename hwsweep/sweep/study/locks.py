"""Who works on a study's folder: one process, or several that joined; the kernel frees a lock when its holder dies."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "study.lock"
"""Of a study's only process; of several, each holds one with its own name behind this one."""
DOOR = "join.lock"
"""Of the process that is about to join: one after the other."""


class Hold:
    """The locks of this process on a study's folder, held until it ends in any way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.door = FileLock(path / DOOR)
        self.lock = FileLock(path / LOCK)

    def take(self, join: bool) -> bool:
        """Take the folder; False if another process has it.

        Args:
            join: others that share the study do not matter, and those that begin just now are waited for.
        """
        if join:
            self.door.acquire()
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            self.door.release()
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
        self.door.release()

    def release(self) -> None:
        """Give the folder back."""
        self.lock.release()
        self.door.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def is_running(directory: Path) -> bool:
    """Whether a process works on the study: alone, or as one of several."""
    return any(is_held(lock) for lock in directory.glob(f"{LOCK}*"))
