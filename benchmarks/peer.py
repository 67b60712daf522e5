"""hwsweep and hydra-optuna-sweeper 1.4.0rc3 with Hydra's basic launcher and joblib's: trials, slots, resume.

    python benchmarks/peer.py
    python benchmarks/peer.py empty idle resume --trials 40

hydra-optuna-sweeper runs in a temporary virtual environment, with its study in SQLite. Hydra's basic launcher runs the
trials one after the other in the sweep's own process. joblib's launcher reuses worker processes. hwsweep gives each
trial a fresh process that can be killed alone.

* empty: milliseconds of a trial that only opens and ends an MLflow run;
* idle: seconds of eight trials of alternately 0.3 s and 3 s on two slots; 6.9 s if no slot ever waits;
* resume: half of the trials run, the sweep is killed (SIGKILL), and the same command is given again. Printed are the
  number of trials that have ended in total, and the seconds from the command to the first new trial.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from hwsweep.tracking import runs

APPLICATION = """
import os, sys, time
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    started = time.time()
{body}
    with open(os.environ["TIMES"], "a") as file:  # one short line: whole or absent
        file.write(f"{{started}} {{time.time()}}\\n")
    return cfg.number

if __name__ == "__main__":
    main()
"""
BY_HAND = """
    import mlflow
    mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
    mlflow.set_experiment("overhead")
    with mlflow.start_run(run_name=f"number={cfg.number}"):
        mlflow.log_params({"number": cfg.number})
"""
WITH_HWSWEEP = """
    from hwsweep.tracking import runs
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    with runs.open_run(store, "overhead", f"number={cfg.number}", {"number": str(cfg.number)}, {}):
        pass
"""
SLEEPS = "    time.sleep(3 if int(cfg.number) % 2 else 0.3)"
BRIEF = "    time.sleep(0.2)"
PACKAGES = [
    "hydra-core>=1.4.0rc0",
    "hydra-optuna-sweeper==1.4.0rc3",
    "hydra-joblib-launcher",
    "mlflow>=3.17,!=3.18.0",
]
PRELOAD = "hydra.sweeper.preload=[hwsweep.tracking.runs,mlflow.store.tracking.sqlalchemy_workspace_store]"
GRID = "override hydra/sweeper: optuna, override hydra/sweeper/sampler: grid"


class Way(NamedTuple):
    """One engine with one launcher."""

    python: str
    defaults: str
    arguments: list[str]
    """Command-line arguments for one slot."""
    two_slots: list[str]
    """Further arguments for two slots; empty if the launcher has one slot only."""
    logs: str
    """Code that opens and ends an MLflow run."""


class Trials(NamedTuple):
    """Times of the trials of a sweep, in seconds since 1970."""

    began: float
    """Start of the command."""
    starts: list[float]
    ends: list[float]


def ways(python: str) -> dict[str, Way]:
    """The engines by name; `python` is the interpreter of hydra-optuna-sweeper's environment."""
    own = ["hydra.sweeper.study_name=peer", PRELOAD]
    stored = ["hydra.sweeper.study_name=peer", "hydra.sweeper.storage=sqlite:///study.db"]
    joblib = [*stored, "hydra/launcher=joblib"]
    slot = ["hydra.sweeper.n_jobs=1", "hydra.launcher.n_jobs=1"]
    slots = ["hydra.sweeper.n_jobs=2", "hydra.launcher.n_jobs=2"]
    return {
        "hwsweep": Way(
            sys.executable, "override hydra/sweeper: hwsweep", own, ["hydra.sweeper.n_jobs=2"], WITH_HWSWEEP
        ),
        "basic": Way(python, GRID, [*stored, "hydra.sweeper.n_jobs=1"], [], BY_HAND),
        "joblib": Way(python, GRID, [*joblib, *slot], slots, BY_HAND),
    }


def begin(way: Way, folder: Path, body: str, n_trials: int, further: list[str]) -> subprocess.Popen[str]:
    """Start the sweep over number = 0, 1, ... in the folder, in its own process group."""
    if not (folder / "app.py").exists():
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(f"defaults: [_self_, {way.defaults}]\nnumber: 0\n")
        (folder / "app.py").write_text(APPLICATION.format(body=body))
        runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", str(folder / "mlruns" / "artifacts"))
    numbers = ",".join(map(str, range(n_trials)))
    overrides = [f"number={numbers}", f"hydra.sweeper.n_trials={n_trials}", *way.arguments, *further]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "TIMES": str(folder / "times")}
    return subprocess.Popen(
        [way.python, "app.py", "-m", *overrides],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def whole(way: Way, folder: Path, body: str, n_trials: int, further: list[str]) -> Trials:
    """Run the sweep to its end and return its times."""
    began = time.time()
    process = begin(way, folder, body, n_trials, further)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)
    return Trials(began, *times(folder))


def times(folder: Path) -> tuple[list[float], list[float]]:
    """Starts and ends of the trials that have ended, in the order of their ends."""
    path = folder / "times"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [float(start) for start, _ in rows], [float(end) for _, end in rows]


def empty(way: Way, n_trials: int) -> str:
    """Median and quartiles of the time from one trial's end to the next one's end."""
    with tempfile.TemporaryDirectory() as folder:
        ends = whole(way, Path(folder), way.logs, n_trials, []).ends
    costs = [1000 * (after - before) for before, after in pairwise(ends)]
    lower, _, upper = quantiles(costs, n=4)
    return f"median {median(costs):.0f} ms a trial (quartiles {lower:.0f}, {upper:.0f}) of {n_trials}"


def idle(way: Way, n_trials: int) -> str:
    """Time of eight trials of different length on two slots."""
    if not way.two_slots:
        return "runs one trial at a time"
    with tempfile.TemporaryDirectory() as folder:
        trials = whole(way, Path(folder), SLEEPS, 8, way.two_slots)
    lasted = max(trials.ends) - min(trials.starts)
    return f"{lasted:.2f} s from the first start to the last end, {13.2 / (2 * lasted):.0%} of the slots' time used"


def resume(way: Way, n_trials: int) -> str:
    """Numbers of trials before and after a kill, and the time to the first new trial."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = begin(way, folder, BRIEF, n_trials, [])
        while len(times(folder)[1]) < n_trials // 2 and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        time.sleep(2)  # trials may outlive their sweep for a moment
        before = len(times(folder)[1])
        after = whole(way, folder, BRIEF, n_trials, [])
    wait = after.starts[before] - after.began if len(after.starts) > before else float("nan")
    return (
        f"{before} of {n_trials} had ended; then {len(after.ends) - before} more ran, {len(after.ends)} in all; "
        f"first new trial after {wait:.1f} s"
    )


def main() -> None:
    """Print one line per engine and question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    questions = {"empty": empty, "idle": idle, "resume": resume}
    parser.add_argument("questions", nargs="*", default=list(questions), metavar="|".join(questions))
    parser.add_argument("--trials", type=int, default=40)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *PACKAGES], check=True)
        for question in chosen.questions:
            for name, way in ways(python).items():
                print(f"{question:6} {name:7} {questions[question](way, chosen.trials)}", flush=True)


if __name__ == "__main__":
    main()
