"""A run's own process: how it begins, how it ends with the sweep, and how one that was left behind is found."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil

from hwsweep.sweep.garbage import look_for_garbage_as_usual

RECORD = "worker.json"
"""Which process runs in a run's folder."""


def begin() -> None:
    """Make this new process its own: the sweep's terminal and what the fork server has loaded are not its affair."""
    look_for_garbage_as_usual()  # to look at all that the fork server has loaded takes 200 ms and copies its pages
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is the sweep's to handle
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def begin_to_help() -> None:
    """Make this new process one that works for the sweep's own, and ends with it."""
    begin()
    die_with_parent()


def die_with_parent() -> None:
    """End this process and its children when the sweep ends, from now on; at once if it has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if not parent.is_alive():
        os._exit(1)
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def use_threads(number: int) -> None:
    """Let torch compute with so many threads, if the fork server has loaded it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from another that has the same pid later, or on another machine."""
    return {"machine": socket.gethostname(), "pid": pid, "created": psutil.Process(pid).create_time()}


def kill_orphans(trial_folder: Path) -> None:
    """End the processes that a dead sweep left running for this trial."""
    for directory in (trial_folder, *trial_folder.glob("seed_*")):
        kill_orphan(directory)


def kill_orphan(directory: Path) -> None:
    """End the process that a dead sweep left in this run's folder, with its children, and wait for its end."""
    path = directory / RECORD
    if not path.exists():
        return
    left = json.loads(path.read_text(encoding="utf-8"))
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(left["pid"])
        if left["machine"] == socket.gethostname() and process.create_time() == left["created"]:
            kill_tree(left["pid"])
            process.wait(timeout=30)
    path.unlink()


def kill_tree(pid: int) -> None:
    """End a run's process and all that it started (DataLoader workers) at once."""
    kill_group(pid)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for child in process.children(recursive=True):
            child.kill()
        process.kill()


def kill_group(pid: int) -> None:
    """End what is left of the process group that a run's process led."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _die_with(sentinel: int) -> None:
    """Wait for the sweep's end; then end this process and its children."""
    wait([sentinel])
    kill_tree(os.getpid())
