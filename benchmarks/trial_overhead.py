"""What an empty trial costs, everything included: compose, fresh process, journal, an MLflow run opened and ended.

    python benchmarks/trial_overhead.py
    python benchmarks/trial_overhead.py grid --trials 2000

One slot; the cost of a trial is the time from its start to the next one's. Two ways (peer.py has other engines):

* grid: hwsweep over a list, as most sweeps are;
* sampled: hwsweep with Optuna's random sampler, so that nothing can be composed ahead.

Aims: median at most 250 ms, and at the last trials at most 1.3 times that of the first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from hwsweep import tracking

APPLICATION = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    from hwsweep import tracking
    store = tracking.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    with tracking.open_run(store, "overhead", f"number={cfg.number}", {"number": str(cfg.number)}, {}):
        pass
    return cfg.number

if __name__ == "__main__":
    main()
"""
STARTS = """
import json, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend("outputs/overhead/journal.log"))
study = optuna.load_study(study_name="overhead", storage=storage)
print(json.dumps([trial.datetime_start.timestamp() for trial in study.trials]))
"""
PRELOAD = "hwsweep.tracking,mlflow.store.tracking.sqlalchemy_workspace_store"  # what MLflow imports at its first call
ENDS = 50
"""How many trials count as the first ones, and as the last ones."""


def costs(folder: Path, arguments: list[str]) -> list[float]:
    """Milliseconds of each trial but the last, in order."""
    (folder / "conf").mkdir()
    (folder / "conf" / "config.yaml").write_text("defaults: [_self_, override hydra/sweeper: hwsweep]\nnumber: 0\n")
    (folder / "app.py").write_text(APPLICATION)
    tracking.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", str(folder / "mlruns" / "artifacts"))
    command = [
        sys.executable,
        "app.py",
        "-m",
        *arguments,
        "hydra.sweeper.study_name=overhead",
        "hydra.sweeper.n_jobs=1",
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    read = subprocess.run([sys.executable, "-c", STARTS], cwd=folder, check=True, capture_output=True, text=True)
    starts = json.loads(read.stdout)
    return [1000 * (after - before) for before, after in pairwise(starts)]


def ours(arguments: list[str]) -> list[float]:
    """Costs with hwsweep."""
    with tempfile.TemporaryDirectory() as name:
        told = [f"hydra.sweeper.preload=[{PRELOAD}]", *arguments]
        return costs(Path(name), told)


def show(name: str, milliseconds: list[float]) -> None:
    """Print median and quartiles of all trials, and the medians of the first and the last ones."""
    lower, _, upper = quantiles(milliseconds, n=4)
    first, last = median(milliseconds[:ENDS]), median(milliseconds[-ENDS:])
    print(
        f"{name:8} {len(milliseconds) + 1:5} trials: median {median(milliseconds):.0f} ms "
        f"(quartiles {lower:.0f}, {upper:.0f}); first {ENDS}: {first:.0f} ms, last {ENDS}: {last:.0f} ms "
        f"(x {last / first:.2f}); load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=["grid", "sampled"], metavar="grid|sampled")
    parser.add_argument("--trials", type=int, default=200)
    chosen = parser.parse_args()
    n_trials = chosen.trials
    for way in chosen.ways:
        if way == "grid":
            milliseconds = ours([f"number=range(0,{n_trials})"])
        else:
            random = ["hydra/sweeper/sampler=random", f"hydra.sweeper.n_trials={n_trials}"]
            milliseconds = ours(["number=interval(0,1)", *random])
        show(way, milliseconds)


if __name__ == "__main__":
    main()
