"""The cores of this machine, and its GPUs by CUDA_VISIBLE_DEVICES; torch is not asked, because it would use one."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import subprocess
import sys

import psutil

from hwsweep.sweep import SweepError

BYTES_PER_JOB = 2 * 2**30
"""Memory that a job is expected to need, for the default number of jobs at once."""
BYTES_PER_STACKED_TRIAL = 2**30
"""Memory that the process of a trial is expected to need whose model trains in another process."""
MAX_DEFAULT_JOBS = 8
"""Most jobs at once by default: all write to MLflow's one SQLite file, which takes one writer at a time."""


def slot_environments(n_jobs: int, gpus_per_trial: float | None) -> list[dict[str, str]]:
    """The environment variables of each slot: several devices for one slot, or one device for several slots.

    Raises:
        SweepError: fewer devices are visible than needed.
    """
    if gpus_per_trial is None:
        return [{} for _ in range(n_jobs)]
    if gpus_per_trial <= 0:
        raise SweepError(f"the number of GPUs of a run must be above 0 (or null), but got {gpus_per_trial}")
    devices = visible_devices()
    slots_per_device = max(1, math.floor(1 / gpus_per_trial + 1e-9))
    width = math.ceil(gpus_per_trial)
    starts = [slot // slots_per_device * width for slot in range(n_jobs)]
    if (needed := starts[-1] + width) > len(devices):
        raise SweepError(
            f"n_jobs={n_jobs} with {gpus_per_trial} GPUs each needs {needed} GPUs, "
            f"but {len(devices)} are visible; lower one of them"
        )
    return [{"CUDA_VISIBLE_DEVICES": ",".join(devices[start : start + width])} for start in starts]


def visible_devices() -> list[str]:
    """The devices this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:  # CUDA ends the list at the first name that is none, as -1 is
        names = [device.strip() for device in visible.split(",")]
        return list(itertools.takewhile(lambda name: name and not name.startswith("-"), names))
    if shutil.which("nvidia-smi") is None:
        return []
    output = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, line in enumerate(output.splitlines()) if line.startswith("GPU ")]


def gpus_named(device: str) -> list[str]:
    """Those of the visible devices that runs with this `device` use: none for cpu, one for cuda:1, else all."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return []
    visible = visible_devices()
    if kind == "cuda" and number.isdecimal():
        return visible[int(number) : int(number) + 1] or [number]  # where there is no nvidia-smi none is listed
    return visible


def default_n_jobs(n_runs: int, device: str) -> int:
    """How many of these runs to run at once, for the shortest total time: 1 on a GPU, else at most cores + 1.

    Each needs memory. The one more than there are cores computes while another waits for the disk.

    Args:
        device: as `gpus_named`.
    """
    if gpus_named(device) or (sys.platform == "darwin" and device != "cpu"):  # on a Mac, torch has a GPU too
        return 1
    return max(1, min(n_runs, MAX_DEFAULT_JOBS, usable_cores() + 1, psutil.virtual_memory().available // BYTES_PER_JOB))


def stacked_processes() -> int:
    """How many trials this machine's memory carries whose models train as one on its GPU."""
    return max(1, int(psutil.virtual_memory().available // BYTES_PER_STACKED_TRIAL))


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
