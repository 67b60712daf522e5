"""hwsweep against hydra-optuna-sweeper 1.4.0rc3 with Hydra's basic launcher and with joblib's: trials, slots, resume.

    python benchmarks/peer.py
    python benchmarks/peer.py empty idle resume --trials 40

The peer gets a virtual environment of its own, made for this and removed; its study lies in SQLite. Hydra's basic
launcher runs the trials in the sweep's own process, one after the other, joblib's in worker processes that it keeps;
hwsweep gives each trial a fresh process that may be killed alone.

* empty: milliseconds of a trial that does nothing but open and end an MLflow run;
* idle: seconds of eight trials of alternately 0.3 s and 3 s on two slots, 6.9 s if no slot ever waits;
* resume: half of the trials run, the sweep is killed (SIGKILL), the same command is given again: how many trials have
  run to their end when it is done, and the seconds from the command to the first new trial.
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
    """For one slot."""
    two_slots: list[str]
    logs: str
    """What opens and ends an MLflow run."""


class Trials(NamedTuple):
    """When the trials of a sweep ran, in seconds since 1970."""

    began: float
    """When the command was given."""
    starts: list[float]
    ends: list[float]


def ways(python: str) -> dict[str, Way]:
    """The engines, the peer in an environment whose interpreter is `python`."""
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
    """The sweep over number = 0, 1, ... in the folder, in a process group of its own."""
    if not (folder / "app.py").exists():
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(f"defaults: [_self_, {way.defaults}]\nnumber: 0\n")
        (folder / "app.py").write_text(APPLICATION.format(body=body))
        runs.open_store(f"sqlite:///{folder}/mlruns/mlflow.db", str(folder / "mlruns" / "artifacts"))
    numbers = ",".join(map(str, range(n_trials)))
    told = [f"number={numbers}", f"hydra.sweeper.n_trials={n_trials}", *way.arguments, *further]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "TIMES": str(folder / "times")}
    return subprocess.Popen(
        [way.python, "app.py", "-m", *told],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def whole(way: Way, folder: Path, body: str, n_trials: int, further: list[str]) -> Trials:
    """The sweep run to its end."""
    began = time.time()
    process = begin(way, folder, body, n_trials, further)
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(told)
    return Trials(began, *times(folder))


def times(folder: Path) -> tuple[list[float], list[float]]:
    """Starts and ends of the trials that have ended, by their ends."""
    path = folder / "times"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [float(start) for start, _ in rows], [float(end) for _, end in rows]


def empty(way: Way, n_trials: int) -> str:
    """What a trial costs, from one's end to the next one's end."""
    with tempfile.TemporaryDirectory() as folder:
        ends = whole(way, Path(folder), way.logs, n_trials, []).ends
    costs = [1000 * (after - before) for before, after in pairwise(ends)]
    lower, _, upper = quantiles(costs, n=4)
    return f"median {median(costs):.0f} ms a trial (quartiles {lower:.0f}, {upper:.0f}) of {n_trials}"


def idle(way: Way, n_trials: int) -> str:
    """How long eight uneven trials take on two slots."""
    if not way.two_slots:
        return "runs one trial at a time"
    with tempfile.TemporaryDirectory() as folder:
        trials = whole(way, Path(folder), SLEEPS, 8, way.two_slots)
    lasted = max(trials.ends) - min(trials.starts)
    return f"{lasted:.2f} s from the first start to the last end, {13.2 / (2 * lasted):.0%} of the slots' time used"


def resume(way: Way, n_trials: int) -> str:
    """What a killed sweep does when its command is given again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = begin(way, folder, BRIEF, n_trials, [])
        while len(times(folder)[1]) < n_trials // 2 and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        time.sleep(2)  # processes of trials that outlive their sweep for a moment
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
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = str(Path(place) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *PACKAGES], check=True)
        for question in chosen.questions:
            for name, way in ways(python).items():
                print(f"{question:6} {name:7} {questions[question](way, chosen.trials)}", flush=True)


if __name__ == "__main__":
    main()
