"""Coverage of the 90 % intervals of importances, on functions whose importances are known.

    python benchmarks/importance_coverage.py                # 10 minutes on two cores
    python benchmarks/importance_coverage.py --repeats 100  # 2 minutes
    python benchmarks/importance_coverage.py --bootstrap    # besides: intervals by bootstrap of Optuna's PED-ANOVA
    python benchmarks/importance_coverage.py --tpe          # besides: trials that Optuna's TPE chose, 5 minutes more

Each search has n random points of four parameters. The known shares of the main effects are closed forms; those of
"among the best tenth, at least five" (PED-ANOVA) are integrals over two million points. For each function and n:

    covers    the share of the intervals that hold the known share, over the parameters that have an effect
    shown     the same over the intervals that a page would show, that is, those that are told from zero
    false     how often a parameter without a main effect is shown

with the standard error of `covers` over the repetitions.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from hwsweep.report.trust.importance import Column, best, intervals

N_KEYS, N_TRUTH, BINS = 4, 2_000_000, 50
SIZES = (20, 50, 100, 200)


class Function(NamedTuple):
    """A function of four numbers from 0 to 1, of which the last one may be a category."""

    value: Callable[[np.ndarray], np.ndarray]
    variances: tuple[float, ...]
    """Of the main effects."""
    noise: float
    n_categories: int = 0


def levels(x: np.ndarray) -> np.ndarray:
    """0, 1 or 2 by the last number."""
    return np.asarray(np.floor(3 * x[:, 3]))


def linear(x: np.ndarray) -> np.ndarray:
    """Straight in two numbers, with three levels."""
    return np.asarray(4 * x[:, 0] + 2 * x[:, 1] + math.sqrt(0.5) * levels(x))


def bowl(x: np.ndarray) -> np.ndarray:
    """Least inside the search space."""
    return np.asarray(6 * (x[:, 0] - 0.3) ** 2 + 2 * (x[:, 1] - 0.6) ** 2 + 0.3 * levels(x))


def edge(x: np.ndarray) -> np.ndarray:
    """A jump, as where training diverges."""
    return np.asarray(2.0 * (x[:, 0] > 0.63) + x[:, 1])


def g_function(x: np.ndarray) -> np.ndarray:
    """Saltelli & Sobol 1995."""
    a = np.array([0, 1, 4.5, 9])
    return np.asarray(np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1))


def ishigami(x: np.ndarray) -> np.ndarray:
    """Ishigami & Homma 1990; the third parameter has an interaction and no main effect."""
    z = np.pi * (2 * x - 1)
    return np.asarray(np.sin(z[:, 0]) * (1 + 0.1 * z[:, 2] ** 4) + 7 * np.sin(z[:, 1]) ** 2)


def square_variance(scale: float, centre: float) -> float:
    """The variance of scale (x - centre)^2 for uniform x."""
    second, fourth = (((1 - centre) ** (k + 1) + centre ** (k + 1)) / (k + 1) for k in (2, 4))
    return scale**2 * (fourth - second**2)


BOWL = (square_variance(6, 0.3), square_variance(2, 0.6), 0.0, 0.09 * 2 / 3)
EDGE = (4 * 0.63 * 0.37, 1 / 12, 0.0, 0.0)
FUNCTIONS = {
    "linear": Function(linear, (16 / 12, 4 / 12, 0.0, 1 / 3), 0.5, 3),
    "bowl": Function(bowl, BOWL, 0.3, 3),
    "edge": Function(edge, EDGE, 0.5),
    "edge, little noise": Function(edge, EDGE, 0.05),
    "g, interactions": Function(g_function, tuple(1 / (3 * (1 + a) ** 2) for a in (0, 1, 4.5, 9)), 0.0),
    "Ishigami": Function(ishigami, ((1 + 0.1 * math.pi**4 / 5) ** 2 / 2, 49 / 8, 0.0, 0.0), 0.0),
}


def search(function: Function, rng: np.random.Generator, n: int) -> tuple[list[Column], np.ndarray, np.ndarray]:
    """Columns, values and points of a random search that has tried every category."""
    x = rng.random((n, N_KEYS))
    while len(np.unique(levels(x))) < function.n_categories:
        x = rng.random((n, N_KEYS))
    y = function.value(x) + function.noise * rng.standard_normal(n)
    columns = [Column(name, x[:, i]) for i, name in enumerate("abzc")]
    if function.n_categories:
        columns[3] = Column("c", levels(x), function.n_categories)
    return columns, y, x


def tpe_search(function: Function, rng: np.random.Generator, n: int) -> tuple[list[Column], np.ndarray, np.ndarray]:
    """The same of a search by TPE that has tried every category."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    n_levels, points = function.n_categories, []

    def objective(trial: optuna.Trial) -> float:
        point = [trial.suggest_float(name, 0, 1) for name in "abz"]
        last = trial.suggest_categorical("c", range(n_levels)) if n_levels else trial.suggest_float("c", 0, 1)
        points.append([*point, (last + 0.5) / n_levels if n_levels else last])
        return float(function.value(np.array(points[-1:]))[0] + function.noise * rng.standard_normal())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=int(rng.integers(2**31))))
    study.optimize(objective, n_trials=n)
    x = np.array(points)
    if len(np.unique(levels(x))) < n_levels:
        return tpe_search(function, rng, n)
    columns = [Column(name, x[:, i]) for i, name in enumerate("abzc")]
    if n_levels:
        columns[3] = Column("c", levels(x), n_levels)
    return columns, np.array([trial.value for trial in study.trials]), x


def top_shares(function: Function, share: float) -> np.ndarray:
    """The shares of the main effects of "among the best `share`"; of what is below the error of the integral, 0."""
    _, y, x = search(function, np.random.default_rng(0), N_TRUTH)
    is_top, variances = y <= np.quantile(y, share), []
    for column in x.T:
        place = (column * BINS).astype(int)
        size, hits = np.bincount(place), np.bincount(place, is_top)
        chance = hits / size
        variances.append(chance.var() - np.mean(chance * (1 - chance) / size))
    found = np.where(np.array(variances) < 1e-4 * share * (1 - share), 0.0, variances)
    return np.asarray(found / found.sum())


def coverage(name: str, n: int, is_top: bool, repeats: int, by_tpe: bool = False) -> str:
    """A line of the table."""
    function, rng = FUNCTIONS[name], np.random.default_rng(n)
    known = top_shares(function, max(0.1, 5 / n)) if is_top else np.array(function.variances) / sum(function.variances)
    covered, shown = np.zeros((2, repeats, N_KEYS))
    for repeat in range(repeats):
        columns, y, _ = (tpe_search if by_tpe else search)(function, rng, n)
        found = intervals(columns, best(y[:, None]) if is_top else y)
        covered[repeat] = [each.low <= share <= each.high for each, share in zip(found, known, strict=True)]
        shown[repeat] = [each.low > 0 for each in found]
    active = known > 0
    rows = covered[:, active].mean(axis=1)
    error = rows.std() / math.sqrt(repeats)
    seen = (covered * shown)[:, active].sum() / max(shown[:, active].sum(), 1)
    false = f"{shown[:, ~active].mean():.2f}" if not active.all() else "-"
    kind = "TPE" if by_tpe else "best tenth" if is_top else "objective"
    return f"{kind:11}{name:20}{n:5}{rows.mean():8.3f} ± {error:.3f}{seen:8.3f}{false:>7}"


def optuna_bootstrap(name: str, n: int, repeats: int, resamples: int = 100) -> str:
    """Coverage of percentile intervals of Optuna's PED-ANOVA over resampled trials; a line of the table."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    function, rng, covered = FUNCTIONS[name], np.random.default_rng(n), []
    spread, quantile = optuna.distributions.FloatDistribution(0, 1), max(0.1, 5 / n)
    known = top_shares(function, quantile)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    spreads = dict.fromkeys("abzc", spread)
    if function.n_categories:
        spreads["c"] = optuna.distributions.CategoricalDistribution(range(function.n_categories))
    for _ in range(repeats):
        columns, y, _ = search(function, rng, n)
        points = [{each.name: each.values[i] for each in columns} for i in range(n)]
        trials = [
            optuna.create_trial(
                params={key: int(v) if key == "c" and function.n_categories else v for key, v in point.items()},
                distributions=spreads,
                value=value,
            )
            for point, value in zip(points, y, strict=True)
        ]
        shares = []
        for _ in range(resamples):
            study = optuna.create_study()
            study.add_trials(trials[i] for i in rng.integers(0, n, n))
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
            shares.append([found[key] for key in "abzc"])
        low, high = np.quantile(shares, (0.05, 0.95), axis=0)
        covered.append(((low <= known) & (known <= high))[known > 0].mean())
    error = np.std(covered) / math.sqrt(repeats)
    return f"{'bootstrap':11}{name:20}{n:5}{np.mean(covered):8.3f} ± {error:.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--bootstrap", action="store_true")
    parser.add_argument("--tpe", action="store_true")
    options = parser.parse_args()
    print(f"{'share in':11}{'function':20}{'n':>5}  covers{'':8}  shown  false", flush=True)
    with ProcessPoolExecutor(2) as processes:
        for is_top in (False, True):
            cases = [(name, n) for name in FUNCTIONS for n in SIZES]
            lines = partial(coverage, is_top=is_top, repeats=options.repeats)
            for line in processes.map(lines, *zip(*cases, strict=True)):
                print(line, flush=True)
        if options.tpe:
            cases = [(name, n) for name in ("bowl", "edge") for n in (50, 100)]
            lines = partial(coverage, is_top=False, repeats=100, by_tpe=True)
            for line in processes.map(lines, *zip(*cases, strict=True)):
                print(line, flush=True)
        if options.bootstrap:
            cases = [(name, n) for name in ("linear", "bowl") for n in (20, 100)]
            for line in processes.map(partial(optuna_bootstrap, repeats=40), *zip(*cases, strict=True)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
