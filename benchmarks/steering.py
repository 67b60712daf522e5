"""What steering costs a running sweep: an empty trial alone, with a user at work, and of an earlier checkout.

    python benchmarks/steering.py
    python benchmarks/steering.py --earlier /path/of/another/checkout

The cost of a trial is the time from its start to the next start, with one slot. "steered" is the same sweep while
another process reads the study's status and changes its note every five seconds. The ways alternate, so that other
work on the machine meets all of them. `--earlier` names the folder of another version of hwsweep, such as one without
steering.

Aim: the medians differ by less than the quartiles of one way.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import optuna

APPLICATION = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    return cfg.number

if __name__ == "__main__":
    main()
"""
STEERING = """
import contextlib, io, time
from hwsweep.study.__main__ import main
while True:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["steered"])
        main(["steered", "note", str(time.time())])
    time.sleep(5)
"""


def milliseconds(way: str, n_trials: int, earlier: Path | None) -> list[float]:
    """Milliseconds of each trial but the last."""
    environment = dict(os.environ)
    if way == "earlier":
        environment["PYTHONPATH"] = f"{earlier}{os.pathsep}{earlier}/hwsweep/hydra_plugins"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text("defaults: [_self_, override hydra/sweeper: hwsweep]\nnumber: 0\n")
        (folder / "app.py").write_text(APPLICATION)
        command = [sys.executable, "app.py", "-m", f"number=range(0,{n_trials})", "hydra.sweeper.study_name=steered"]
        sweep = subprocess.Popen(
            [*command, "hydra.sweeper.n_jobs=1"], cwd=folder, stdout=subprocess.DEVNULL, env=environment
        )
        user = subprocess.Popen([sys.executable, "-c", STEERING], cwd=folder) if way == "steered" else None
        if sweep.wait() != 0:
            raise SystemExit(f"the sweep of {way!r} has failed")
        if user is not None:
            user.kill()
            user.wait()
        backend = optuna.storages.journal.JournalFileBackend(str(folder / "outputs/steered/journal.log"))
        trials = optuna.load_study(study_name="steered", storage=optuna.storages.JournalStorage(backend)).trials
    starts = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start is not None]
    return [1000 * (after - before) for before, after in pairwise(starts)]


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--earlier", type=Path, help="the folder of another version")
    chosen = parser.parse_args()
    times: dict[str, list[float]] = {way: [] for way in ("alone", "steered", *(["earlier"] if chosen.earlier else []))}
    began = time.monotonic()
    for _ in range(chosen.repeats):
        for way, found in times.items():
            found += milliseconds(way, chosen.trials, chosen.earlier)
    for way, found in times.items():
        lower, _, upper = quantiles(found, n=4)
        print(f"{way:8} {len(found)} trials: median {median(found):.1f} ms (quartiles {lower:.1f}, {upper:.1f})")
    print(f"{time.monotonic() - began:.0f} s; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
