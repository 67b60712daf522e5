"""TPE with Optuna 5's defaults (multivariate, constant liar) against TPE without both, as hwsweep asks it.

    python benchmarks/samplers.py
    python benchmarks/samplers.py --trials 200 --seeds 2
    python benchmarks/samplers.py --headlines --seeds 2

Three functions with known minima: Rosenbrock in 4 dimensions (its variables depend on each other), Hartmann in 6, and
Rastrigin in 5 (its variables are independent). The sampler is asked as in a sweep: a new sampler per trial, at most
`history` (500) trials to look at, and four trials at once, of which the oldest ends first. With more than 500 trials
the window leaves some out.

With --headlines: the best validation error of experiment=headlines_search, 20 trials without a pruner on two slots.

The excess is the best value so far above the minimum; each number is a median over the seeds, with the range.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import optuna
from omegaconf import OmegaConf
from promotion import WAYS, read, search

from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore

TPE = "optuna.samplers.TPESampler"
VARIANTS = {
    "default": {"_target_": TPE},
    "neither": {"_target_": TPE, "multivariate": False, "constant_liar": False},
}
N_RUNNING = 4
HISTORY = 500


class Function(NamedTuple):
    """A test function, its minimum, and the interval of each variable."""

    value: Callable[[Sequence[float]], float]
    minimum: float
    dimensions: int
    low: float
    high: float


def rosenbrock(x: Sequence[float]) -> float:
    """A curved valley; 0 at (1, ..., 1)."""
    return sum(100 * (after - before**2) ** 2 + (1 - before) ** 2 for before, after in pairwise(x))


def rastrigin(x: Sequence[float]) -> float:
    """A bowl with many local minima; 0 at 0."""
    return sum(value**2 - 10 * math.cos(2 * math.pi * value) + 10 for value in x)


ALPHA = (1.0, 1.2, 3.0, 3.2)
A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann(x: Sequence[float]) -> float:
    """Four wells; -3.32237 in the deepest."""
    rows = zip(ALPHA, A, P, strict=True)
    return -sum(
        weight * math.exp(-sum(a * (value - p) ** 2 for a, value, p in zip(row, x, centre, strict=True)))
        for weight, row, centre in rows
    )


FUNCTIONS = {
    "rosenbrock": Function(rosenbrock, 0.0, 4, -2.0, 2.0),
    "hartmann": Function(hartmann, -3.32237, 6, 0.0, 1.0),
    "rastrigin": Function(rastrigin, 0.0, 5, -5.12, 5.12),
}


def excesses(function: Function, variant: str, seed: int, n_trials: int) -> list[float]:
    """The best value so far above the minimum, after each trial."""
    axes = [Axis(f"x{number}", None, function.low, function.high) for number in range(function.dimensions)]
    space = Space(axes, [], [], [], {}, {})
    plan = SearchPlan(space, None, n_trials, seed, VARIANTS[variant], None, ["minimize"], None, HISTORY, None)
    store = TrialStore("functions", optuna.storages.InMemoryStorage(), ["minimize"])
    proposals = Proposals(plan, store, OmegaConf.create())
    running: deque[tuple[int, float]] = deque()
    values = []
    while len(values) < n_trials:
        while len(running) < N_RUNNING and (trial := proposals.begin_new({})) is not None:
            running.append((trial.number, function.value([float(value) for value in trial.point.values()])))
        number, value = running.popleft()
        store.finish(number, TrialResult("complete", [value], {}), proposals.sampler(number))
        values.append(value)
    return [best - function.minimum for best in accumulate(values, min)]


def with_range(values: Sequence[float]) -> str:
    """The median, with the range."""
    return f"{median(values):.3g} (from {min(values):.3g} to {max(values):.3g})"


def on_functions(n_trials: int, n_seeds: int) -> None:
    """Print the excess of each variant on each function, after some and after all trials."""
    counts = sorted({min(100, n_trials), n_trials})
    for name, function in FUNCTIONS.items():
        curves: dict[str, list[list[float]]] = {variant: [] for variant in VARIANTS}
        seconds = dict.fromkeys(VARIANTS, 0.0)
        for seed in range(n_seeds):
            for variant in VARIANTS:
                start = time.process_time()
                curves[variant].append(excesses(function, variant, seed, n_trials))
                seconds[variant] += time.process_time() - start
        for variant in VARIANTS:
            cost = 1000 * seconds[variant] / n_seeds / n_trials
            at = [f"after {n} trials {with_range([curve[n - 1] for curve in curves[variant]])}" for n in counts]
            print(f"{name:10} {variant:8} excess {'; '.join(at)}; {cost:.0f} ms of processor time a trial")
        pairs = list(zip(curves["default"], curves["neither"], strict=True))
        for n in counts:
            better = sum(ours[n - 1] < others[n - 1] for ours, others in pairs)
            print(f"{name:10} after {n} trials the default is better with {better} of {n_seeds} seeds", flush=True)


def on_headlines(n_seeds: int, folder: Path) -> None:
    """Print the best validation error of each variant's searches; those of the default are also promotion.py's."""
    neither = [f"+hydra.sweeper.sampler.{key}=false" for key in ("multivariate", "constant_liar")]
    for variant, name, overrides in (("default", "unpruned", []), ("neither", "neither", neither)):
        lines = [*WAYS["unpruned"], *overrides]
        found = [read(search(folder, f"{name}_{seed}", seed, lines)) for seed in range(n_seeds)]
        errors = ", ".join(f"{one.best:.4f}" for one in found)
        print(f"headlines  {variant:8} best validation errors {errors}; median {median(o.best for o in found):.4f}")


def main() -> None:
    """Print the results, function by function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--headlines", action="store_true", help="train instead")
    parser.add_argument("--folder", type=Path, help="keep the searches there, and go on with them when called again")
    chosen = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; optuna {optuna.__version__}", flush=True)
    if not chosen.headlines:
        on_functions(chosen.trials, chosen.seeds)
        return
    with tempfile.TemporaryDirectory() as name:
        on_headlines(chosen.seeds, chosen.folder or Path(name))


if __name__ == "__main__":
    main()
