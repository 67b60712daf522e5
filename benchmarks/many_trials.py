"""Cost of the engine per trial up to the 10,000th, its memory, and the time of a resume and of the page.

    python benchmarks/many_trials.py
    python benchmarks/many_trials.py grid tpe --trials 2000

`python -m hwsweep -m ...` runs completely as for a user, but an executor that trains nothing replaces the processes. A
run ends as soon as it is submitted, with the files of a trained VAE without figures. So the benchmark measures the
sweep's own process: the sampler, the check of the point, the journal, the table, the page.

* grid: 100 lambdas x seeds, in order;
* list: one axis with as many values as there are trials;
* random, tpe: two continuous axes; all: TPE that sees all trials (hydra.sweeper.history=null).

The study is interrupted 10 trials before its end and then resumed. The resume lasts from the start of Python to the
first new trial. Trials are measured in processor time, since the machine may be busy; resume and page in seconds.
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
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hwsweep.sweep.execution.executor import Answer, Job, JobEnd

FIRST, EARLY, LAST = slice(5, 15), slice(205, 255), slice(-50, None)
"""Trials with printed medians: around the 10th; after the points that are checked in advance; the last."""
REST = 10
"""Number of trials after the interruption."""
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
    """An executor whose runs end at once."""

    def __init__(self, *_: object) -> None:
        self.jobs: list[Job] = []
        self.costs: list[float] = []
        self.started = 0.0
        self.cpu = time.process_time()

    @property
    def free(self) -> bool:
        """Whether the only slot is free."""
        return not self.jobs

    def prepare(self, job: Job) -> None:
        """Compose nothing: its cost is the same for every trial."""

    def submit(self, job: Job) -> None:
        """Write the files of a run."""
        self.started = self.started or time.time()
        now = time.process_time()
        self.costs.append(now - self.cpu)
        self.cpu = now
        weight = float(job.params.get("vae.lambda", 1.0))
        rate = 30 / (1 + weight)
        metrics = {f"test/{key}": rate + i for i, key in enumerate(("neg_elbo", "rate", "distortion", "loss"))}
        metrics["valid/neg_elbo"] = 100 + abs(weight - 1) + job.trial % 7
        outcome = {"state": "complete", "values": [metrics["valid/neg_elbo"]], "failure": None, "seconds": 1.0}
        verdict = {"verdict": "healthy (20 of 20 units)", "why": "20 of 20 latent units are active"}
        result = {"run_id": f"{job.trial:032x}", "metrics": metrics, **verdict}
        for name, content in (("outcome.json", outcome), ("result.json", result)):
            (Path(job.directory) / name).write_text(json.dumps(content))
        self.jobs = [job]

    def wait(self, answer: Answer, seconds: float) -> list[JobEnd]:
        """The run that was submitted."""
        ended, self.jobs = [JobEnd(job, 0, None, 0.0) for job in self.jobs], []
        if len(self.costs) == int(os.environ["STOP_AFTER"]):
            os.kill(os.getpid(), signal.SIGINT)
        return ended

    def stop(self) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        """Store the costs; the loop has ended, the table and the page follow."""
        times = {"costs": self.costs, "started": self.started, "ended": time.time(), "memory": memory()}
        Path(TIMES).write_text(json.dumps(times))


def memory() -> float:
    """Resident memory of this process in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def child() -> None:
    """Run hwsweep's command line without processes of trials."""
    from hwsweep.__main__ import program
    from hwsweep.sweep.execution import choice

    choice.ProcessPool = Nothing  # type: ignore[assignment,misc]
    program()


class Start(NamedTuple):
    """One start of the command."""

    costs: list[float]
    """Processor seconds of each trial."""
    waited: float
    """Seconds from the command to its first trial."""
    after: float
    """Seconds from the last trial to the end of the command: the table and the page."""
    memory: float
    """Megabytes after the last trial."""


def start(folder: Path, arguments: list[str], stop_after: int) -> Start:
    """Run the command in the folder; interrupt it after `stop_after` trials."""
    command = [sys.executable, __file__, "child", "-m", *arguments, "hydra.sweeper.study_name=many"]
    environment = {**os.environ, "STOP_AFTER": str(stop_after), "MLFLOW_DISABLE_TELEMETRY": "true"}
    began = time.time()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    over = time.time()
    if done.returncode not in (0, 130):
        raise SystemExit(done.stderr)
    times = json.loads((folder / TIMES).read_text())
    return Start(times["costs"], times["started"] - began, over - times["ended"], times["memory"])


def measure(name: str, arguments: list[str], n: int) -> None:
    """Print one line about a study of n trials."""
    with tempfile.TemporaryDirectory() as folder:
        first = start(Path(folder), arguments, n - REST)
        second = start(Path(folder), arguments, -1)
        page = Path(folder, "outputs/many/report.html").stat().st_size / 1e6
        journal = Path(folder, "outputs/many/journal.log").stat().st_size / 1e6
    early_memory = memory_of_100(arguments)
    assert len(first.costs) + len(second.costs) == n, (len(first.costs), len(second.costs))
    tenth, early, late = (1000 * median(first.costs[some]) for some in (FIRST, EARLY, LAST))
    print(
        f"{name:6} {n} trials: the engine's time for trial 10 {tenth:.1f} ms, of trial 230 {early:.1f} ms, "
        f"of trial {n:,} {late:.1f} ms; "
        f"resume {second.waited:.1f} s, table and page {second.after:.1f} s ({page:.1f} MB); journal {journal:.1f} MB; "
        f"memory {first.memory:.0f} MB (after 100 trials {early_memory:.0f} MB)",
        flush=True,
    )


def memory_of_100(arguments: list[str]) -> float:
    """Memory of the sweep's process after 100 trials, in megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        return start(Path(folder), arguments, 100).memory


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
