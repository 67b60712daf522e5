"""How soon a search finds what 20 unpruned trials find: with promotion, MedianPruner, and the first epoch alone.

    python benchmarks/promotion.py --folder /tmp/searches
    python benchmarks/promotion.py --quick
    python benchmarks/promotion.py --seeds 2 --only unpruned promotion

The search is experiment=headlines_search: six epochs, two slots of one core each. For each seed, the unpruned search
sets the target: its best validation error. Measured of each way, from the start of the command:

* until: the seconds, and the trained epochs of all trials, until an epoch of a trial has the target's error;
* in all: the same of the whole search, its table and page included.

Seconds depend on what else the machine does, so the load is printed; trained epochs do not. A search that is in the
folder already is not run again; one that was interrupted begins anew. Each number is a median over the seeds, with the
range. Aim: promotion needs at most half of the unpruned search's seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hwsweep.tracking import runs

TWENTY = "hydra.sweeper.n_trials=20"
WAYS = {
    "unpruned": ["hydra.sweeper.pruner=null", TWENTY],
    "promotion": [],
    "median": ["hydra/sweeper/pruner=median", TWENTY],
    "first_epoch": ["hydra/sweeper/pruner=first_epoch", TWENTY],
    "first two epochs": [
        "hydra/sweeper/pruner=first_epoch",
        "hydra.sweeper.pruner.epochs=2",
        "hydra.sweeper.pruner.keep=5",
        TWENTY,
    ],
    "promotion from epoch 1": ["hydra/sweeper/pruner=promotion", TWENTY],
}
"""What each way adds to the command; the experiment has promotion and 30 trials.

After one epoch, in which the learning rate rises, most trials are at chance (error 0.75); after two their order is
nearly that of the end. So promotion begins at epoch 2; its 30 trials train fewer epochs than 20 unpruned ones.
"""
QUICK = ["dataset.n_train=500", "hydra.sweeper.n_trials=6", "epochs=4"]
MEASURED = "measured.json"


class Epoch(NamedTuple):
    """One epoch of a trial."""

    seconds: float
    """When it ended, from the start of the search."""
    error: float
    """On the validation split."""


class Search(NamedTuple):
    """What a search did."""

    seconds: float
    epochs: list[Epoch]
    """Of all trials, in the order of time."""

    @property
    def best(self) -> float:
        """The lowest error of an epoch."""
        return min(epoch.error for epoch in self.epochs)

    def until(self, target: float) -> tuple[float, float]:
        """Seconds and trained epochs until an epoch has at most this error; infinite if none has."""
        for number, epoch in enumerate(self.epochs, 1):
            if epoch.error <= target:
                return epoch.seconds, number
        return math.inf, math.inf


def search(folder: Path, name: str, seed: int, overrides: Sequence[str]) -> Path:
    """The folder in which the search ran, now or in an earlier call."""
    place = folder / name
    if (place / MEASURED).exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    command = [sys.executable, "-m", "hwsweep", "-m", "experiment=headlines_search", "hydra.sweeper.n_jobs=2"]
    began = time.time()
    with (place / "output.log").open("wb") as output:
        settings = [f"seed={seed}", "hydra.sweeper.study_name=search"]
        subprocess.run([*command, *settings, *overrides], cwd=place, check=True, stdout=output, stderr=output)
    measured = {"began": began, "seconds": time.time() - began, "load": os.getloadavg()[1]}
    (place / MEASURED).write_text(json.dumps(measured))
    return place


def read(place: Path) -> Search:
    """What the search in this folder did, by MLflow's times; an epoch that was logged twice counts once."""
    measured = json.loads((place / MEASURED).read_text())
    store = runs.open_store(f"sqlite:///{place}/mlruns/mlflow.db", f"{place}/mlruns/artifacts")
    client = store.client()
    epochs: dict[tuple[str, int], Epoch] = {}
    for run in client.search_runs([store.experiment("search")], "tags.`hwsweep.role` = 'trial'"):
        for metric in client.get_metric_history(run.info.run_id, "valid/error"):
            epoch = Epoch(metric.timestamp / 1000 - measured["began"], metric.value)
            epochs.setdefault((run.info.run_id, metric.step), epoch)
    return Search(measured["seconds"], sorted(epochs.values()))


def with_range(values: Sequence[float]) -> str:
    """The median, with the range if there is one; "never" for an infinite number."""
    three = min(values), median(values), max(values)
    low, middle, high = (f"{value:.4g}" if value < math.inf else "never" for value in three)
    return middle if low == high else f"{middle} (from {low} to {high})"


def report(found: dict[str, list[Search]]) -> None:
    """Print what each way needed until the target of its seed, and in all."""
    targets = [unpruned.best for unpruned in found["unpruned"]]
    print(f"target: the best validation error of the unpruned searches, {with_range(targets)}")
    for way, searches in found.items():
        pairs = list(zip(searches, targets, strict=False))
        untils = [one.until(target) for one, target in pairs]
        seconds, epochs = ([until[part] for until in untils] for part in (0, 1))
        shares = [until / one.seconds for until, one in zip(seconds, found["unpruned"], strict=False)]
        reached = sum(value < math.inf for value in seconds)
        best = with_range([one.best for one in searches])
        print(f"{way}: target reached with {reached} of {len(pairs)} seeds; best error {best}")
        if reached:
            share = with_range(shares)
            print(f"  until: {with_range(seconds)} s, {with_range(epochs)} epochs; {share} of the unpruned seconds")
        in_all = with_range([len(one.epochs) for one in searches])
        print(f"  in all: {with_range([one.seconds for one in searches])} s, {in_all} epochs", flush=True)


def main() -> None:
    """Run the searches that are missing, seed by seed, and print the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--quick", action="store_true", help="one seed, six trials, 500 texts: does it work?")
    parser.add_argument("--folder", type=Path, help="keep the searches there, and run only those that are missing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, list[Search]] = {"unpruned": [], **{way: [] for way in chosen.only}}
        for seed in range(1 if chosen.quick else chosen.seeds):
            for way in found:
                overrides = [*WAYS[way], *(QUICK if chosen.quick else [])]
                place = search(chosen.folder or Path(name), f"{way}_{seed}".replace(", ", "_"), seed, overrides)
                found[way].append(read(place))
                one, load = found[way][-1], json.loads((place / MEASURED).read_text())["load"]
                print(
                    f"seed {seed}, {way}: {one.seconds:.0f} s, {len(one.epochs)} epochs, best error {one.best:.4f}; "
                    f"load average {load:.1f} on {os.cpu_count()} cores",
                    flush=True,
                )
        report(found)


if __name__ == "__main__":
    main()
