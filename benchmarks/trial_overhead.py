"""The cost of an empty trial: composing, a fresh process, the journal, an MLflow run that opens and ends.

    python benchmarks/trial_overhead.py
    python benchmarks/trial_overhead.py grid --trials 2000
    python benchmarks/trial_overhead.py random tpe --trials 10000 --fill

With one slot, the cost of a trial is the time from its start to the next start. Three ways (peer.py measures other
engines):

* grid: a list, as in most sweeps;
* random: Optuna's random sampler over two axes, so that nothing can be composed in advance;
* tpe: the same with TPE, which uses the results of earlier trials.

With --fill only the first 100 and the last 100 trials run. The trials between are written to the journal and to MLflow
without a run; the benchmark then needs a fifth of the time. The first and last trials then show the cost in a study of
that length.

Aims: the median is at most 250 ms, and that of the last trials at most 1.3 times that of the first.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import optuna
from optuna.trial import FrozenTrial, create_trial

from hwsweep.sweep.study.storage import open_storage
from hwsweep.tracking import runs

APPLICATION = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    from hwsweep.tracking import runs
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    with runs.open_run(store, "overhead", f"number={cfg.number}", {"number": str(cfg.number)}, {}):
        pass
    return cfg.number

if __name__ == "__main__":
    main()
"""
PRELOAD = (
    "hwsweep.tracking.runs,mlflow.store.tracking.sqlalchemy_workspace_store"  # MLflow imports it at its first call
)
ENDS = 50
"""Number of trials that count as first ones, and as last ones."""
RUN = 100
"""Number of trials that run at each end of a filled study."""


def prepare(folder: Path) -> None:
    """Write the application, and create MLflow's tables, which takes seconds once."""
    (folder / "conf").mkdir()
    defaults = "defaults: [_self_, override hydra/sweeper: hwsweep]"
    (folder / "conf" / "config.yaml").write_text(f"{defaults}\nnumber: 0\nother: 0\n")
    (folder / "app.py").write_text(APPLICATION)
    runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", str(folder / "mlruns" / "artifacts"))


def sweep(folder: Path, arguments: list[str]) -> None:
    """Run the study, or continue it."""
    settings = ["hydra.sweeper.study_name=overhead", "hydra.sweeper.n_jobs=1", f"hydra.sweeper.preload=[{PRELOAD}]"]
    command = [sys.executable, "app.py", "-m", *arguments, *settings]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)


def study_of(folder: Path) -> optuna.Study:
    """The study as Optuna reads it."""
    return optuna.load_study(study_name="overhead", storage=open_storage(None, folder / "outputs" / "overhead"))


def costs(trials: list[FrozenTrial]) -> list[float]:
    """Milliseconds of each of these trials except the last, in order."""
    starts = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start is not None]
    return [1000 * (after - before) for before, after in pairwise(starts)]


def fill(folder: Path, n: int) -> None:
    """Write n more complete trials with random points to the journal and to MLflow."""
    study, chance = study_of(folder), random.Random(0)
    first = study.trials[0]
    store = runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", str(folder / "mlruns" / "artifacts"))
    client, experiment = store.client(), store.experiment("overhead")
    for _ in range(n):
        point = {name: chance.random() for name in first.params}
        study.add_trial(create_trial(value=point["number"], params=point, distributions=first.distributions))
        client.set_terminated(client.create_run(experiment, run_name="between").info.run_id)


def milliseconds(way: str, n_trials: int, filled: bool) -> list[float]:
    """Milliseconds of each trial, or only of the first and the last ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        if way == "grid":
            sweep(folder, [f"number=range(0,{n_trials})"])
            return costs(study_of(folder).trials)
        search = ["number=interval(0,1)", "other=interval(0,1)", f"hydra/sweeper/sampler={way}"]
        if not filled:
            sweep(folder, [*search, f"hydra.sweeper.n_trials={n_trials}"])
            return costs(study_of(folder).trials)
        sweep(folder, [*search, f"hydra.sweeper.n_trials={RUN}"])
        fill(folder, n_trials - 2 * RUN)
        sweep(folder, [*search, f"hydra.sweeper.n_trials={n_trials}"])
        trials = study_of(folder).trials
        return [*costs(trials[:RUN]), *costs(trials[-RUN:])]


def report(name: str, n_trials: int, times: list[float]) -> None:
    """Print median and quartiles of all trials, and the medians of the first and the last ones."""
    lower, _, upper = quantiles(times, n=4)
    first, last = median(times[:ENDS]), median(times[-ENDS:])
    print(
        f"{name:6} {n_trials:6,} trials: median {median(times):.0f} ms "
        f"(quartiles {lower:.0f}, {upper:.0f}); first {ENDS}: {first:.0f} ms, last {ENDS}: {last:.0f} ms "
        f"(x {last / first:.2f}); load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=["grid", "random", "tpe"], metavar="grid|random|tpe")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--fill", action="store_true", help="run the first and the last 100 trials only")
    chosen = parser.parse_args()
    for way in chosen.ways:
        report(way, chosen.trials, milliseconds(way, chosen.trials, chosen.fill))


if __name__ == "__main__":
    main()
