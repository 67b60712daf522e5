"""Whether the pruner was fair: how well early values foretell the last one, and which good trials it may have ended."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_TRIALS = 10
"""Trials that ran through which a correlation needs."""
RELIABLE = 0.7
"""Rank correlation from which the order at a step counts as the last one."""
TOP = 0.1
"""The share of all trials that counts as the top."""


class Fairness(NamedTuple):
    """Of the steps, and of the pruned trials."""

    correlation: dict[int, float]
    """Step -> Spearman's rank correlation of its values with the final ones, without the last step."""
    reliable_step: int | None
    """The first step from which the correlation stays above `RELIABLE`; None: no step before the last one."""
    n_pruned: int
    chances: NDArray[np.float64]
    """Of each pruned trial, to be among the best `TOP` of all trials, had it run through; NaN if unknown."""

    @property
    def n_lost(self) -> float:
        """Expected number of pruned trials among the best `TOP`."""
        return float(np.nansum(self.chances))


def fairness(
    finished: Sequence[tuple[Mapping[int, float], float]], pruned: Sequence[Mapping[int, float]]
) -> Fairness | None:
    """Fairness of a pruner; None with fewer than `MIN_TRIALS` trials that ran through.

    Args:
        finished: values by step and the final value of each trial that ran through; lower is better.
        pruned: values by step of each pruned trial.
    """
    if len(finished) < MIN_TRIALS:
        return None
    steps = sorted(set.intersection(*(set(values) for values, _ in finished)))[:-1]
    if not steps:
        return None
    final = np.array([value for _, value in finished])
    correlation = {step: _spearman(np.array([values[step] for values, _ in finished]), final) for step in steps}
    low = [step for step in steps if not correlation[step] > RELIABLE]
    reliable = next((step for step in steps if not low or step > low[-1]), None)
    rank = math.ceil(TOP * (len(finished) + len(pruned)))
    return Fairness(correlation, reliable, len(pruned), _chances(finished, pruned, rank))


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal values have no correlation: NaN
        return float(spearmanr(x, y).statistic)


class _Prediction(NamedTuple):
    """Of some trials: Student's t distribution of each final value."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    freedom: int

    def chances(self, limit: float) -> NDArray[np.float64]:
        """Of each final value, to be at most `limit`."""
        from scipy.special import stdtr

        exact = self.scale <= 1e-12 * np.maximum(1.0, np.abs(self.centre))
        chances = stdtr(self.freedom, (limit - self.centre) / np.where(exact, 1.0, self.scale))
        return np.where(exact, self.centre <= limit + 1e-9 * abs(limit), chances)


def _chances(
    finished: Sequence[tuple[Mapping[int, float], float]], pruned: Sequence[Mapping[int, float]], rank: int
) -> NDArray[np.float64]:
    """Of each pruned trial, to be as good as the `rank` best of all trials, finished or predicted.

    NaN where too few of the trials that ran through have a value at the step of pruning.
    """
    early: dict[int, list[int]] = {}
    for place, values in enumerate(pruned):
        early.setdefault(max(values), []).append(place)
    pairs = {step: [(each[step], end) for each, end in finished if step in each] for step in early}
    predictions = {
        step: _prediction(pairs[step], [pruned[place][step] for place in places])
        for step, places in early.items()
        if len(pairs[step]) >= MIN_TRIALS
    }
    final = sorted(end for _, end in finished)

    def n_below(place: int) -> float:
        limit = final[place]
        return place + 1 + sum(float(each.chances(limit).sum()) for each in predictions.values())

    place = bisect_left(range(len(final)), float(rank), key=n_below)
    chances = np.full(len(pruned), np.nan)
    for step, prediction in predictions.items():
        chances[early[step]] = prediction.chances(final[min(place, len(final) - 1)])
    return chances


def _prediction(pairs: Sequence[tuple[float, float]], values: Sequence[float]) -> _Prediction:
    """Final values of trials with these early `values`, by linear regression with normal residuals.

    Args:
        pairs: the early and the final value of each trial that ran through.
    """
    x, y = np.array(pairs).T
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * y).sum()) / spread if spread else 0.0
    residual = y - y.mean() - slope * (x - x.mean())
    n, distance = len(x), np.array(values) - x.mean()
    variance = float((residual**2).sum()) / (n - 2) * (1 + 1 / n + (distance**2 / spread if spread else 0.0 * distance))
    return _Prediction(y.mean() + slope * distance, np.sqrt(variance), n - 2)


def sentences(result: Fairness) -> list[str]:
    """What the correlations and the pruned trials say."""
    first, value = next(iter(result.correlation.items()))
    step = (
        f"from step {result.reliable_step} on it stays above {RELIABLE}"
        if result.reliable_step is not None
        else f"no step before the last one has more than {RELIABLE} and keeps it"
    )
    lines = [
        f"The rank correlation of the value at step {first} with the final value, over the trials that ran through, is "
        f"{value:.2f}; {step}."
    ]
    if result.n_pruned:
        trials = "the pruned trial" if result.n_pruned == 1 else f"the {result.n_pruned} pruned trials"
        lines.append(
            f"Of {trials}, an estimated {result.n_lost:.1f} would have been in the top {TOP:.0%} of all. The "
            "estimate regresses the final value on the value at the step of pruning, over trials that ran "
            "through; these were good early, so it is rough for trials that were far behind."
        )
    return lines
