"""Peak memory of a sweep: its own process, what all trials are copies of, and each trial.

    HWSWEEP_DATA=... python benchmarks/memory.py

Every tenth of a second the processes of a sweep of two are looked at. A page that several share (all that the fork
server has loaded) counts in each with its share (PSS), so that the numbers add up to what the machine must have; beside
it stands what a process has alone (USS). The homework's script for one lambda is measured the same way.
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
    """Of one process, in bytes."""

    shared: int
    """With its share of what it has in common with others."""
    alone: int


def watch(process: subprocess.Popen[bytes]) -> tuple[dict[int, Peak], int]:
    """The peaks of the process and all that it started, by pid, and that of all together; returns when it has ended."""
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


def told(peak: Peak) -> str:
    """The peak in megabytes."""
    return f"{peak.shared / 1e6:.0f} MB ({peak.alone / 1e6:.0f} alone)"


def sweep(name: str, overrides: list[str]) -> None:
    """Print the peaks of a sweep of two trials, both at once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hwsweep", "-m", *overrides, "hydra.sweeper.n_jobs=2"]
        command.append("hydra.sweeper.study_name=memory")
        with Path(folder, "told").open("wb") as file:
            process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
            peaks, together = watch(process)
        if process.returncode:
            raise SystemExit(Path(folder, "told").read_text())
    main = peaks.pop(process.pid)
    server, *trials = sorted(peaks.values(), reverse=True, key=lambda peak: peak.shared)[:3]
    described = ", ".join(told(peak) for peak in (server, *trials))
    print(f"{name}: the sweep {told(main)}; its largest processes {described}; all at once {together / 1e6:.0f} MB")


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
        print(f"homework, one script: {told(peaks[process.pid])}")


if __name__ == "__main__":
    main()
