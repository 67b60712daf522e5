"""What of the machine a slot may use: cores, and GPUs by CUDA_VISIBLE_DEVICES (to ask torch would take one)."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys

import psutil

from hwsweep.sweep import SweepError

MEMORY = 2 * 2**30
"""Bytes for a run, if nobody says how many there are at once."""
MOST = 8
"""Runs at once, if nobody says how many: they write to one SQLite file, MLflow's, which takes one writer at a time."""


def environments(n_jobs: int, gpus_per_trial: float | None) -> list[dict[str, str]]:
    """The environment variables of each slot.

    Raises:
        SweepError: more devices are asked for than are visible.
    """
    if gpus_per_trial is None:
        return [{} for _ in range(n_jobs)]
    devices = visible_devices()
    return [{"CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares(devices, n_jobs, gpus_per_trial)]


def shares(devices: list[str], n_jobs: int, gpus_per_trial: float) -> list[list[str]]:
    """The devices of each slot: several for one, or one for several."""
    if gpus_per_trial <= 0:
        raise SweepError(f"gpus_per_trial must be above 0 (or null), but got {gpus_per_trial}")
    if gpus_per_trial < 1:
        slots_per_device = math.floor(1 / gpus_per_trial + 1e-9)
        starts = [(slot // slots_per_device, 1) for slot in range(n_jobs)]
    else:
        width = math.ceil(gpus_per_trial)
        starts = [(slot * width, width) for slot in range(n_jobs)]
    needed = max(start + width for start, width in starts)
    if needed > len(devices):
        raise SweepError(
            f"n_jobs={n_jobs} with gpus_per_trial={gpus_per_trial} needs {needed} GPUs, "
            f"but {len(devices)} are visible; lower one of them"
        )
    return [devices[start : start + width] for start, width in starts]


def visible_devices() -> list[str]:
    """The devices this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [device.strip() for device in chosen.split(",") if device.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def jobs_that_pay(n_runs: int) -> int:
    """How many of these runs at once end soonest: one more than there are cores, with memory for each; one on a GPU."""
    if visible_devices() or sys.platform == "darwin":  # there, torch has a GPU too
        return 1
    return max(1, min(n_runs, MOST, usable_cores() + 1, psutil.virtual_memory().available // MEMORY))


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
