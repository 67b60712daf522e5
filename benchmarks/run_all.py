"""Runs every benchmark and writes docs/benchmarks.md: output, command, machine and versions.

    HWSWEEP_DATA=... python benchmarks/run_all.py            # three quarters of an hour
    HWSWEEP_DATA=... python benchmarks/run_all.py --quick    # a quarter of an hour
    python benchmarks/run_all.py --only peer many

Run it on a machine without other work. With --only, the other sections of the file stay as they are. If a benchmark
fails, its section says so and the exit code is 1.
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

from hwsweep.files import write_text

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PACKAGES = ("hwsweep", "torch", "torchvision", "hydra-core", "optuna", "mlflow", "numpy", "matplotlib")
HEADLINE = re.compile(r"^<!-- (\w+) -->$", re.MULTILINE)
"""The first line of a benchmark's section."""


class Benchmark(NamedTuple):
    """A section of the page."""

    name: str
    title: str
    description: str
    """What is compared, and the aim."""
    command: str
    quick: str


BENCHMARKS = [
    Benchmark(
        "sweep",
        "The whole sweep against three homework scripts",
        "`vae.lambda=0,1,100` on TibetanMNIST, 10 epochs, batches of 100, 400 hidden units, 20 latents; with figures, "
        "analysis and page. The homework is three plain PyTorch scripts (`homework_vae.py`), one after the other. "
        "Aim: half of its time.",
        "whole_sweep.py --repeats 5",
        "whole_sweep.py --repeats 1",
    ),
    Benchmark(
        "images",
        "Training throughput, images",
        "A VAE trained with a `Dataset` with `ToTensor` and a `DataLoader` (homework), with only a loop over tensors "
        "in memory (bare), and with hwsweep.",
        "train_throughput.py dataset=tibetan_mnist batch_size=100",
        "train_throughput.py dataset=tibetan_mnist batch_size=100",
    ),
    Benchmark(
        "steps",
        "Options that may make a step faster",
        "One option at a time, compared with the default: `precision=bfloat16`, channels last, and `torch.compile` "
        "with the seconds until its first step. Products by oneDNN and an own cross-entropy made a step at most 1 % "
        "faster, so hwsweep has neither any more.",
        "step_options.py",
        "step_options.py --steps 10",
    ),
    Benchmark(
        "denormals",
        "The cost of numbers near zero",
        "A VAE with lambda = 100 on TibetanMNIST, on one thread, with numbers below 1.2e-38 as they are, and with such "
        "numbers set to zero as in hwsweep. Where gradients stay 0, Adam's averages of them decay to such numbers.",
        "denormals.py dataset=tibetan_mnist batch_size=100 vae.lambda=100",
        "denormals.py --repeats 1 dataset=tibetan_mnist batch_size=100 vae.lambda=100",
    ),
    Benchmark(
        "fused",
        "Three points as one stacked model",
        "Points that differ only in lambda, trained together with `torch.func` on the same batches and noise, compared "
        "with one by one. It is slower on a CPU, so hwsweep does it by itself only where there is a GPU.",
        "fused_trials.py",
        "fused_trials.py",
    ),
    Benchmark(
        "gpu",
        "On a GPU",
        "One VAE, stacked ones, a sweep over 100 lambdas, the convolutional VAE and the Transformer against the floor "
        "of the card ([gpu.md](gpu.md)). Aims: 5 times the homework's loop and half of the floor; 100 stacked lambdas "
        "in 3 times the time of one, 15 times faster than one by one; the sweep in 90 s on 16 cores.",
        "gpu.py",
        "gpu.py",
    ),
    Benchmark(
        "memory",
        "Peak memory",
        "Two trials at once. For each process, its memory with a share of shared pages (PSS), and the memory that it "
        "does not share (alone). Each trial starts as a copy of the fork server, which is one of the processes.",
        "memory.py",
        "memory.py",
    ),
    Benchmark(
        "text",
        "Training throughput, texts",
        "A Transformer on AG News. Homework: every text is padded to the longest, with `nn.TransformerEncoder`. "
        "hwsweep: batches of texts of similar length.",
        "text_throughput.py",
        "text_throughput.py",
    ),
    Benchmark(
        "trials",
        "The cost of an empty trial",
        "A trial that only opens and ends an MLflow run, with composing and a fresh process. Aims: the median is at "
        "most 250 ms; the last trials cost at most 1.3 times the first.",
        "trial_overhead.py grid random --trials 1000",
        "trial_overhead.py grid random --trials 300",
    ),
    Benchmark(
        "later",
        "The cost of trial 10,000",
        "The first 100 and the last 100 trials of a search of 10,000 with TPE over two axes. The trials between are "
        "written to the journal and to MLflow without a run. Aim: the last cost at most 1.3 times the first.",
        "trial_overhead.py tpe --trials 10000 --fill",
        "trial_overhead.py tpe --trials 2000 --fill",
    ),
    Benchmark(
        "many",
        "10,000 trials: the engine, its memory, resume and page",
        "The sweep's own process with an executor that trains nothing. Aims: no rise up to the last trial; resume and "
        "page within a minute each. TPE's own cost grows with the number of trials that it sees, at most "
        "`hydra.sweeper.history` (500); `many_trials.py all` measures it without that limit.",
        "many_trials.py grid tpe",
        "many_trials.py grid tpe --trials 3000",
    ),
    Benchmark(
        "idle",
        "Idle slots",
        "Eight trials of alternately 0.3 s and 3 s on two slots. A greedy engine needs 6.9 s, one with barriers 12 s.",
        "idle_slots.py --repeats 5",
        "idle_slots.py --repeats 1",
    ),
    Benchmark(
        "samplers",
        "TPE with Optuna 5's defaults, and without",
        "Optuna 5 made TPE multivariate and gave it a constant liar. Three functions with known minima, asked as in a "
        "sweep: four trials at once, at most `hydra.sweeper.history` (500) trials to look at. Aim: the default is no "
        "worse than TPE without both.",
        "samplers.py --seeds 20",
        "samplers.py --seeds 3",
    ),
    Benchmark(
        "promotion",
        "What 20 unpruned trials find, sooner",
        "`experiment=headlines_search` on two slots: the time and the trained epochs until an epoch of a trial has the "
        "best validation error of the unpruned search. Aim: half of the time with promotion.",
        "promotion.py",
        "promotion.py --quick",
    ),
    Benchmark(
        "peer",
        "Comparison with hydra-optuna-sweeper 1.4.0rc3",
        "Hydra's basic launcher runs trials in the sweep's own process, joblib's in workers that it reuses, so an "
        "empty trial is cheaper there. hwsweep gives each trial a fresh process, so a trial that dies harms no other.",
        "peer.py --trials 100",
        "peer.py --trials 20",
    ),
]


def run(benchmark: Benchmark, quick: bool) -> tuple[str, bool]:
    """The section of one benchmark, and whether it succeeded."""
    command = benchmark.quick if quick else benchmark.command
    print(f"{benchmark.title}: {command}", flush=True)
    began = time.monotonic()
    script, *arguments = shlex.split(command)
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    output = done.stdout.rstrip()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        output = f"{output}\nfailed with exit code {done.returncode}: {last}".strip()
    print(f"{output}\n({took:.0f} s)\n", flush=True)
    lines = [
        f"<!-- {benchmark.name} -->",
        f"## {benchmark.title}",
        benchmark.description,
        f"    python benchmarks/{command}",
        f"```text\n{without_folders(output)}\n```",
        f"{machine()}; {date.today().isoformat()}; took {took:.0f} s.",
    ]
    return "\n\n".join(lines) + "\n", done.returncode == 0


def without_folders(text: str) -> str:
    """The text without the names of this machine's folders."""
    for folder in sorted({str(HERE.parent), str(Path.home()), os.environ.get("HWSWEEP_DATA") or "\0"}, key=len)[::-1]:
        text = text.replace(folder, "...")
    return text


def machine() -> str:
    """Processor, cores, memory and load average, in one line."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists() and (found := re.search(r"model name\s*: (.+)", information.read_text())):
        model = found[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, load average {os.getloadavg()[0]:.1f} at the end"


def versions() -> str:
    """The versions of Python, of the packages and of the system, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {packages}; {platform.system()} {platform.release().partition('-')[0]}"


def sections(page: str) -> dict[str, str]:
    """The sections of the page, by the names of their benchmarks."""
    _, *parts = HEADLINE.split(page)
    return {name: f"<!-- {name} -->{text.rstrip()}\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}


def write(measured: dict[str, str]) -> None:
    """Write the page, atomically."""
    head = (
        "# Benchmarks\n\n"
        "`python benchmarks/run_all.py` writes this page. Each block is the output of the command above it. Compared "
        "variants take turns; each median has its range.\n\n"
        f"{versions()}.\n"
    )
    parts = [measured[benchmark.name] for benchmark in BENCHMARKS if benchmark.name in measured]
    write_text(PAGE, "\n".join([head, *parts]))


def main() -> None:
    """Run the benchmarks, and write the page after each, so that an interruption loses nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--quick", action="store_true", help="fewer repeats and trials")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="run these benchmarks only")
    chosen = parser.parse_args()
    measured = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    all_succeeded = True
    for benchmark in BENCHMARKS:
        if benchmark.name in chosen.only:
            measured[benchmark.name], succeeded = run(benchmark, chosen.quick)
            all_succeeded = all_succeeded and succeeded
            write(measured)
    print(PAGE)
    raise SystemExit(0 if all_succeeded else 1)


if __name__ == "__main__":
    main()
