"""Runs every benchmark and writes docs/benchmarks.md: what each printed, the command, the machine, the versions.

    HWSWEEP_DATA=... python benchmarks/run_all.py            # three quarters of an hour
    HWSWEEP_DATA=... python benchmarks/run_all.py --quick    # a quarter of an hour
    python benchmarks/run_all.py --only peer many

Run it on a machine that does nothing else. What was measured before and is not run now (--only) stays in the file. A
benchmark that fails is told in its place, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PACKAGES = ("hwsweep", "torch", "torchvision", "hydra-core", "optuna", "mlflow", "numpy", "matplotlib")
HEADLINE = re.compile(r"^<!-- (\w+) -->$", re.MULTILINE)
"""Begins the section of one benchmark."""


class Benchmark(NamedTuple):
    """A section of the page."""

    name: str
    title: str
    told: str
    """What is compared, and what was aimed at."""
    command: str
    quick: str


BENCHMARKS = [
    Benchmark(
        "sweep",
        "The whole sweep against three homework scripts",
        "`vae.lambda=0,1,100` on TibetanMNIST, 10 epochs, batches of 100, 400 hidden units, 20 latents; figures, "
        "analysis and page included. Aim: half the time of three plain PyTorch scripts "
        "(`homework_vae.py`), one after the other.",
        "whole_sweep.py --repeats 5",
        "whole_sweep.py --repeats 1",
    ),
    Benchmark(
        "images",
        "Training throughput, images",
        "A VAE trained by a `Dataset` with `ToTensor` and a `DataLoader` (homework), by a loop over tensors in memory "
        "that does nothing else (bare), and by hwsweep.",
        "train_throughput.py dataset=tibetan_mnist batch_size=100",
        "train_throughput.py dataset=tibetan_mnist batch_size=100",
    ),
    Benchmark(
        "steps",
        "What makes a step faster",
        "One option at a time against the default: what torch does by itself (MKL), `precision=bfloat16`, channels "
        "last, `torch.compile` with the seconds until its first step.",
        "step_options.py",
        "step_options.py --steps 10",
    ),
    Benchmark(
        "denormals",
        "What numbers near zero cost",
        "A VAE with lambda = 100 on TibetanMNIST, on one thread, with numbers below 1.2e-38 kept and taken for zero, "
        "as hwsweep does: where gradients stay 0, Adam's averages of them fade to such numbers.",
        "denormals.py dataset=tibetan_mnist batch_size=100 vae.lambda=100",
        "denormals.py --repeats 1 dataset=tibetan_mnist batch_size=100 vae.lambda=100",
    ),
    Benchmark(
        "fused",
        "Three points as one stacked model",
        "Points that differ only in lambda, trained with `torch.func` on shared batches and noise, against one by one: "
        "it does not pay on a CPU, so there is no launcher that does it.",
        "fused_trials.py",
        "fused_trials.py",
    ),
    Benchmark(
        "memory",
        "Peak memory",
        "Two trials at once. With its share of what it has in common with others (PSS), and what a process has alone: "
        "the fork server is the one that all trials begin as a copy of.",
        "memory.py",
        "memory.py",
    ),
    Benchmark(
        "text",
        "Training throughput, texts",
        "A Transformer on AG News: every text padded to the longest and `nn.TransformerEncoder` (homework), against "
        "texts of like length together.",
        "text_throughput.py",
        "text_throughput.py",
    ),
    Benchmark(
        "trials",
        "One more trial, with its process",
        "A trial that only opens and ends an MLflow run, composing and a fresh process included. Aims: median at most "
        "250 ms; the last trials cost at most 1.3 times the first.",
        "trial_overhead.py grid random --trials 1000",
        "trial_overhead.py grid random --trials 300",
    ),
    Benchmark(
        "later",
        "Trial 10,000, with its process",
        "The first 100 and the last 100 trials of a search of 10,000 by TPE over two axes; those between are put into "
        "the journal and into MLflow as if they had been run. Aim: at most 1.3 times.",
        "trial_overhead.py tpe --trials 10000 --fill",
        "trial_overhead.py tpe --trials 2000 --fill",
    ),
    Benchmark(
        "many",
        "10,000 trials: the engine, its memory, resume and page",
        "The sweep's own process, in front of an executor that trains nothing. Aims: flat to the last trial; resume "
        "and page within a minute each. TPE's own cost grows with the trials it looks at; `hydra.sweeper.history` "
        "(500) bounds them: `many_trials.py all` shows what it costs without.",
        "many_trials.py grid tpe",
        "many_trials.py grid tpe --trials 3000",
    ),
    Benchmark(
        "idle",
        "Idle slots",
        "Eight trials of alternately 0.3 s and 3 s on two slots. A greedy engine needs 6.9 s, one with a barrier 12 s.",
        "idle_slots.py --repeats 5",
        "idle_slots.py --repeats 1",
    ),
    Benchmark(
        "peer",
        "Against hydra-optuna-sweeper 1.4.0rc3",
        "Hydra's basic launcher runs trials in the sweep's own process, joblib's in workers that it keeps: an empty "
        "trial is cheaper there. hwsweep gives each a fresh process, so that a trial that dies takes nothing with it.",
        "peer.py --trials 100",
        "peer.py --trials 20",
    ),
]


def run(benchmark: Benchmark, quick: bool) -> tuple[str, bool]:
    """The section of one benchmark, and whether it went well."""
    command = benchmark.quick if quick else benchmark.command
    print(f"{benchmark.title}: {command}", flush=True)
    began = time.monotonic()
    script, *arguments = shlex.split(command)
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    said = done.stdout.rstrip()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        said = f"{said}\nfailed with exit code {done.returncode}: {last}".strip()
    print(f"{said}\n({took:.0f} s)\n", flush=True)
    shown = without_places(said)
    lines = [
        f"<!-- {benchmark.name} -->",
        f"## {benchmark.title}",
        benchmark.told,
        f"    python benchmarks/{command}",
        f"```text\n{shown}\n```",
        f"{machine()}; {date.today().isoformat()}; took {took:.0f} s.",
    ]
    return "\n\n".join(lines) + "\n", done.returncode == 0


def without_places(text: str) -> str:
    """The text without this machine's folders."""
    for place in sorted({str(HERE.parent), str(Path.home()), os.environ.get("HWSWEEP_DATA") or "\0"}, key=len)[::-1]:
        text = text.replace(place, "...")
    return text


def machine() -> str:
    """Processor, cores, memory and what ran beside, in one line."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists() and (found := re.search(r"model name\s*: (.+)", information.read_text())):
        model = found[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, load average {os.getloadavg()[0]:.1f} at the end"


def versions() -> str:
    """The versions of what is measured."""
    listed = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {listed}; {platform.system()} {platform.release().partition('-')[0]}"


def sections(page: str) -> dict[str, str]:
    """The sections that stand in the page, by the names of their benchmarks."""
    _, *parts = HEADLINE.split(page)
    return {name: f"<!-- {name} -->{text.rstrip()}\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}


def write(measured: dict[str, str]) -> None:
    """Put the page in place, whole."""
    head = (
        "# Benchmarks\n\n"
        "Written by `python benchmarks/run_all.py`; each figure is what the command above it printed. Ways that are "
        "compared take turns; medians are shown with their spread.\n\n"
        f"{versions()}.\n"
    )
    told = [measured[benchmark.name] for benchmark in BENCHMARKS if benchmark.name in measured]
    part = PAGE.with_name(f".{PAGE.name}.{os.getpid()}")
    part.write_text("\n".join([head, *told]), encoding="utf-8")
    part.replace(PAGE)


def main() -> None:
    """Run and write; after each benchmark, so that nothing is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--quick", action="store_true", help="fewer repeats and trials")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these benchmarks")
    chosen = parser.parse_args()
    measured = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    well = True
    for benchmark in BENCHMARKS:
        if benchmark.name in chosen.only:
            measured[benchmark.name], went_well = run(benchmark, chosen.quick)
            well = well and went_well
            write(measured)
    print(PAGE)
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
