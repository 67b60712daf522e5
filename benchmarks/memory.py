"""Peak memory of a sweep: its own process, the fork server that all trials start from, and each trial.

    HWSWEEP_DATA=... python benchmarks/memory.py

The benchmark reads the memory of all processes of a sweep with two trials every 0.1 s. A page that several processes
share (everything that the fork server has loaded) counts in each process with its share (PSS), so the numbers add up to
the memory that the machine needs. "alone" is the memory that a process does not share (USS). The homework's script for
one lambda is measured in the same way.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

HOMEWORK = Path(__file__).parent / "homework_vae.py"
SWEEPS = {
    "vae, tibetan_mnist": ["dataset=tibetan_mnist", "vae.lambda=0,1", "epochs=2"],
    "vae_conv, anime_faces": ["dataset=anime_faces", "model=vae_conv", "vae.lambda=0,1", "epochs=1"],
    "transformer, ag_news": ["dataset=ag_news", "model=transformer", "seed=0,1", "epochs=1"],
}
PAUSE = 0.1


class Peak(NamedTuple):
    """Peak memory of one process, in bytes."""

    shared: int
    """Proportional set size (PSS): own pages, and a share of the shared ones."""
    alone: int
    """Unique set size (USS): own pages only."""


def watch(process: subprocess.Popen[bytes]) -> tuple[dict[int, Peak], int]:
    """The peaks of the process and its descendants, by pid, and the peak of their sum in bytes; waits until it ends."""
    peaks: dict[int, Peak] = defaultdict(lambda: Peak(0, 0))
    together = 0
    own = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        with suppress(psutil.NoSuchProcess):
            for each in [own, *own.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    now = each.memory_full_info()
                    before = peaks[each.pid]
                    peaks[each.pid] = Peak(max(before.shared, now.pss), max(before.alone, now.uss))
                    total += now.pss
        together = max(together, total)
        time.sleep(PAUSE)
    return peaks, together


def in_megabytes(peak: Peak) -> str:
    """The peak as text, in megabytes."""
    return f"{peak.shared / 1e6:.0f} MB ({peak.alone / 1e6:.0f} alone)"


def sweep(name: str, overrides: list[str]) -> None:
    """Print the peaks of a sweep of two trials that run at once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hwsweep", "-m", *overrides, "hydra.sweeper.n_jobs=2"]
        command.append("hydra.sweeper.study_name=memory")
        with Path(folder, "output").open("wb") as file:
            process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
            peaks, together = watch(process)
        if process.returncode:
            raise SystemExit(Path(folder, "output").read_text())
    main = peaks.pop(process.pid)
    server, *trials = sorted(peaks.values(), reverse=True, key=lambda peak: peak.shared)[:3]
    others = ", ".join(in_megabytes(peak) for peak in (server, *trials))
    print(f"{name}: sweep {in_megabytes(main)}; largest other processes {others}; all at once {together / 1e6:.0f} MB")


def main() -> None:
    """Measure each sweep, and the homework."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    data = Path(os.environ.get("HWSWEEP_DATA", "none"))
    for name, overrides in SWEEPS.items():
        if (data / overrides[0].partition("=")[2]).is_dir():
            sweep(name, overrides)
    images = data / "tibetan_mnist" / "TibetanMNIST.npz"
    if images.is_file():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(HOMEWORK), str(images), "1", folder, "1"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            peaks, _ = watch(process)
        print(f"homework, one script: {in_megabytes(peaks[process.pid])}")


if __name__ == "__main__":
    main()
