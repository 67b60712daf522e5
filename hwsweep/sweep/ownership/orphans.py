"""Processes that outlive their sweep: each job's folder records its process, and the next sweep ends it."""

from __future__ import annotations

from pathlib import Path

from hwsweep.files import read_json_object, write_json
from hwsweep.processes import find, kill_tree, this_process
from hwsweep.run_folder import PROCESS


def record_process(directory: Path) -> None:
    """Store in the job's folder that this process runs there."""
    write_json(directory / PROCESS, {"process": this_process()})


def kill_orphans(trial_folder: Path) -> None:
    """End the processes that a dead sweep left running for this trial, with their children, and wait for their end."""
    for directory in (trial_folder, *trial_folder.glob("seed_*")):
        path = directory / PROCESS
        record = read_json_object(path) or {}
        if (process := find(str(record.get("process")))) is not None:
            kill_tree(process.pid)
            process.wait(timeout=30)
        path.unlink(missing_ok=True)
