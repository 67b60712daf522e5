"""What the engine itself costs per trial up to the 10,000th, its memory, the resume and the page of such a study.

    python benchmarks/many_trials.py
    python benchmarks/many_trials.py grid tpe --trials 2000

The whole of `python -m hwsweep -m ...` runs as it does for a user, but an executor that trains nothing stands where
the processes are: a run is over as soon as it is submitted, its files are those of a trained VAE without figures. So
what is measured is the sweep's own process: the sampler, the check of the point, the journal, the table, the page.

* grid: 100 lambdas x seeds, first to last;
* list: one axis with as many values as there are trials;
* random, tpe: two continuous axes; all: TPE that looks at all trials (hydra.sweeper.history=null).

The study is interrupted 10 trials before its end and gone on with; the resume lasts from the start of Python to the
first new trial. Trials are timed in processor time, as the machine may be busy; resume and page in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from hwsweep.sweep.execution.executor import Ended, Job

FIRST, EARLY, LAST = slice(5, 15), slice(205, 255), slice(-50, None)
"""Trials whose medians are shown: around the 10th; after the points that are checked in advance; the last."""
REST = 10
"""Trials that are left for after the interruption."""
TIMES = "times.json"
BOTH = ["vae.lambda=interval(0,100)", "optimizer.lr=tag(log,interval(1e-5,1e-1))"]
TPE = "hydra/sweeper/sampler=tpe"


def ways(n: int) -> dict[str, list[str]]:
    """The overrides of each way to choose n trials."""
    searched = [*BOTH, f"hydra.sweeper.n_trials={n}"]
    return {
        "grid": ["vae.lambda=range(0,100)", f"seed=range(0,{n // 100})"],
        "list": [f"seed=range(0,{n})"],
        "random": [*searched, "hydra/sweeper/sampler=random"],
        "tpe": [*searched, TPE],
        "all": [*searched, TPE, "hydra.sweeper.history=null"],
    }


class Nothing:
    """An executor whose runs are over at once."""

    def __init__(self, *_: object) -> None:
        self.jobs: list[Job] = []
        self.costs: list[float] = []
        self.started = 0.0
        self.cpu = time.process_time()

    @property
    def free(self) -> bool:
        """Whether the one slot waits."""
        return not self.jobs

    def prepare(self, job: Job) -> None:
        """Compose nothing: that costs the same for every trial, and waits for no slot."""

    def submit(self, job: Job) -> None:
        """Write what a run leaves behind."""
        self.started = self.started or time.time()
        now = time.process_time()
        self.costs.append(now - self.cpu)
        self.cpu = now
        weight = float(job.params.get("vae.lambda", 1.0))
        rate = 30 / (1 + weight)
        metrics = {f"test/{key}": rate + place for place, key in enumerate(("neg_elbo", "rate", "distortion", "loss"))}
        metrics["valid/neg_elbo"] = 100 + abs(weight - 1) + job.trial % 7
        outcome = {"state": "complete", "values": [metrics["valid/neg_elbo"]], "failure": None, "seconds": 1.0}
        said = {"verdict": "healthy (20 of 20 units)", "why": "20 of 20 latent units are active"}
        result = {"run_id": f"{job.trial:032x}", "metrics": metrics, **said}
        for name, content in (("outcome.json", outcome), ("result.json", result)):
            (Path(job.directory) / name).write_text(json.dumps(content))
        self.jobs = [job]

    def wait(self, answer: Callable[[Job, tuple[Any, ...]], bool | None], seconds: float) -> list[Ended]:
        """The run that was submitted."""
        ended, self.jobs = [Ended(job, 0, None, 0.0) for job in self.jobs], []
        if len(self.costs) == int(os.environ["STOP_AFTER"]):
            os.kill(os.getpid(), signal.SIGINT)
        return ended

    def stop(self) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        """Nothing runs; the loop has ended, what follows is table and page."""
        times = {"costs": self.costs, "started": self.started, "ended": time.time(), "memory": memory()}
        Path(TIMES).write_text(json.dumps(times))


def memory() -> float:
    """Megabytes that this process holds now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def child() -> None:
    """hwsweep's command line, without processes of trials."""
    from hwsweep.__main__ import program
    from hwsweep.sweep import engine

    engine.ProcessPool = Nothing  # type: ignore[assignment,misc]
    program()


class Half(NamedTuple):
    """One start of the command."""

    costs: list[float]
    """Processor seconds of each trial."""
    waited: float
    """Seconds from the command to its first trial."""
    after: float
    """Seconds from the last trial to the end of the command: the table and the page."""
    memory: float
    """Megabytes after the last trial."""


def start(folder: Path, arguments: list[str], stop_after: int) -> Half:
    """Run the command in the folder; interrupted after so many trials."""
    command = [sys.executable, __file__, "child", "-m", *arguments, "hydra.sweeper.study_name=many"]
    environment = {**os.environ, "STOP_AFTER": str(stop_after), "MLFLOW_DISABLE_TELEMETRY": "true"}
    began = time.time()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    over = time.time()
    if done.returncode not in (0, 130):
        raise SystemExit(done.stderr)
    times = json.loads((folder / TIMES).read_text())
    return Half(times["costs"], times["started"] - began, over - times["ended"], times["memory"])


def measure(name: str, arguments: list[str], n: int) -> None:
    """Print one line on a study of n trials."""
    with tempfile.TemporaryDirectory() as place:
        first = start(Path(place), arguments, n - REST)
        second = start(Path(place), arguments, -1)
        page = Path(place, "outputs/many/report.html").stat().st_size / 1e6
        journal = Path(place, "outputs/many/journal.log").stat().st_size / 1e6
    few = start_few(arguments)
    assert len(first.costs) + len(second.costs) == n, (len(first.costs), len(second.costs))
    tenth, early, late = (1000 * median(first.costs[some]) for some in (FIRST, EARLY, LAST))
    print(
        f"{name:6} {n} trials: the engine's share of trial 10 {tenth:.1f} ms, of trial 230 {early:.1f} ms, "
        f"of trial {n:,} {late:.1f} ms; "
        f"resume {second.waited:.1f} s, table and page {second.after:.1f} s ({page:.1f} MB); journal {journal:.1f} MB; "
        f"memory {first.memory:.0f} MB (after 100 trials {few:.0f} MB)",
        flush=True,
    )


def start_few(arguments: list[str]) -> float:
    """Megabytes after 100 trials."""
    with tempfile.TemporaryDirectory() as place:
        return start(Path(place), arguments, 100).memory


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=["grid", "list", "random", "tpe"], metavar="|".join(ways(100)))
    parser.add_argument("--trials", type=int, default=10_000)
    chosen = parser.parse_args()
    for name in chosen.ways:
        measure(name, ways(chosen.trials)[name], chosen.trials)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        del sys.argv[1]
        child()
    else:
        main()
