"""Idle time of slots: 8 trials of alternately 0.3 s and 3 s on 2 slots, with the real engine.

    python benchmarks/idle_slots.py [--repeats 3]

13.2 s of work on 2 slots take at least 6.6 s. If each free slot takes the next trial, this order takes 6.9 s. The rest
is the engine's time: a fresh process, composing, the journal. The limit is 1.15 x 6.6 s = 7.59 s. An engine with a
barrier after each batch of two needs 12 s.

Two times are measured: from the first trial's start to the last one's end, and in total. The total includes the start
of Python and of the fork server, and the table at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import optuna

APPLICATION = """
import time
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    time.sleep(3 if cfg.number % 2 else 0.3)
    return cfg.number

if __name__ == "__main__":
    main()
"""
LIMIT = 1.15 * 6.6


def once() -> tuple[float, float]:
    """Seconds from the first trial's start to the last one's end, and in total."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text("defaults: [_self_, override hydra/sweeper: hwsweep]\nnumber: 0\n")
        (folder / "app.py").write_text(APPLICATION)
        command = [sys.executable, "app.py", "-m", "number=range(0,8)", "hydra.sweeper.n_jobs=2"]
        command += ["hydra.sweeper.study_name=idle"]
        began = time.monotonic()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        total = time.monotonic() - began
        backend = optuna.storages.journal.JournalFileBackend(str(folder / "outputs/idle/journal.log"))
        trials = optuna.load_study(study_name="idle", storage=optuna.storages.JournalStorage(backend)).trials
    assert [trial.value for trial in trials] == list(range(8))
    starts = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete]
    return max(ends) - min(starts), total


def main() -> None:
    """Print each repeat and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    rows = []
    for _ in range(repeats):
        rows.append(once())
        print("trials {:.2f} s, in total {:.2f} s".format(*rows[-1]), flush=True)
    trials, total = (median(column) for column in zip(*rows, strict=True))
    print(f"median: trials {trials:.2f} s (limit {LIMIT:.2f} s, greedy ideal 6.90 s), in total {total:.2f} s")


if __name__ == "__main__":
    main()
