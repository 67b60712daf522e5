"""A run's own process: how it begins, how it ends with the sweep, and how one that was left behind is found."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hwsweep.files import read_json
from hwsweep.processes import end_with_parent, find, kill_tree
from hwsweep.run_folder import PROCESS
from hwsweep.startup import look_for_garbage_as_usual


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
    end_with_parent()


def use_threads(number: int) -> None:
    """Let torch compute with so many threads, if the fork server has loaded it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)


def kill_orphans(trial_folder: Path) -> None:
    """End the processes that a dead sweep left running for this trial."""
    for directory in (trial_folder, *trial_folder.glob("seed_*")):
        kill_orphan(directory)


def kill_orphan(directory: Path) -> None:
    """End the process that a dead sweep left in this run's folder, with its children, and wait for its end."""
    path = directory / PROCESS
    left = read_json(path)
    if left is not None and (process := find(left["process"])) is not None:
        kill_tree(process.pid)
        process.wait(timeout=30)
    path.unlink(missing_ok=True)
