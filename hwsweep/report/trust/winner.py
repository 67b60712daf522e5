"""Whether the winner is luck: the noise between seeds against the differences of the best trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

N_BEST = 5


class Winner(NamedTuple):
    """The best trials; values where lower is better."""

    noise: float
    """Root mean square of the standard errors of the best trials."""
    gap: float
    """The distance from the best to the last of the best trials."""
    n: int
    """How many trials these are."""
    probability: float
    """That the best trial's true mean is better than the runner-up's: both means are normal, with their errors."""


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


def sentence(result: Winner) -> str:
    """Noise, differences and the probability that the winner is better."""
    return (
        f"The best {result.n} trials differ by {result.gap:.2g}; the standard error of one of them over its seeds is "
        f"{result.noise:.2g}. The best one is better than the runner-up with probability {result.probability:.0%} "
        "(normal approximation; the choice of the best of many is not counted, so this is an upper bound)."
    )
