"""Whether the winner is luck: the noise between seeds against the differences of the best trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

N_BEST = 5


class Winner(NamedTuple):
    """The best trials; values where lower is better."""

    noise: float
    """Of every trial with several seeds: root mean square of the standard errors of the best trials; of trials that
    were repeated with further seeds: standard deviation between the seeds of a trial."""
    gap: float
    """The largest difference between two of the best trials."""
    n: int
    """How many trials these are."""
    probability: float
    """That the best trial's true mean is better than the runner-up's."""
    n_further: int = 0
    """Runs with further seeds; 0: every trial has several seeds."""


def winner(values: Sequence[float], errors: Sequence[float]) -> Winner | None:
    """The winner among at most `N_BEST` best trials; None with fewer than two, or where the seeds do not vary.

    Args:
        errors: the standard error of each value.
    """
    best = sorted(zip(values, errors, strict=True))[:N_BEST]
    if len(best) < 2 or not (both := math.hypot(best[0][1], best[1][1])):
        return None
    noise = math.sqrt(sum(error**2 for _, error in best) / len(best))
    probability = NormalDist().cdf((best[1][0] - best[0][0]) / both)
    return Winner(noise, best[-1][0] - best[0][0], len(best), probability)


def repeated_winner(further: Sequence[Sequence[float]]) -> Winner | None:
    """The winner by further seeds alone: the values by which the trials were chosen are too good by luck.

    Args:
        further: of each of the best trials, the best one first, its values with further seeds.

    Returns:
        None if the first two have none, or no trial has two that differ.
    """
    from scipy.special import stdtr

    if len(further) < 2 or not further[0] or not further[1]:
        return None
    repeated = [np.array(values) for values in further if values]
    freedom = sum(len(values) - 1 for values in repeated)
    square = sum(float(((values - values.mean()) ** 2).sum()) for values in repeated)
    if not square:
        return None
    noise, means = math.sqrt(square / freedom), [float(values.mean()) for values in repeated]
    error = noise * math.sqrt(1 / len(repeated[0]) + 1 / len(repeated[1]))
    probability = float(stdtr(freedom, (means[1] - means[0]) / error))
    return Winner(noise, max(means) - min(means), len(means), probability, sum(map(len, repeated)))


def sentence(result: Winner) -> str:
    """Noise, differences and the probability that the winner is better."""
    if result.n_further:
        return (
            f"By {result.n_further} runs with further seeds alone, the means of the best {result.n} trials differ by "
            f"{result.gap:.2g}, and the standard deviation between the seeds of one of them is {result.noise:.2g}. The "
            f"best one is better than the runner-up with probability {result.probability:.0%} (Student's t)."
        )
    return (
        f"The best {result.n} trials differ by {result.gap:.2g}; the standard error of one of them over its seeds is "
        f"{result.noise:.2g}. The best one is better than the runner-up with probability {result.probability:.0%} "
        "(normal approximation; the choice of the best of many is not counted, so this is an upper bound)."
    )
