"""What the choice by validation costs on the test split (overtuning, Schneider et al. 2025, arXiv:2506.19540)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Overtuning(NamedTuple):
    """Of every trial, in order; lower values are better."""

    incumbent: NDArray[np.int64]
    """The place of the trial with the lowest validation value so far."""
    excess: NDArray[np.float64]
    """Test value of the incumbent minus the lowest test value of any incumbent so far; never negative."""


def overtuning(valid: NDArray[np.float64], test: NDArray[np.float64]) -> Overtuning:
    """The incumbent after each trial and its overtuning, in the unit of `test`.

    Args:
        valid: of the complete trials in the order in which they were tried; lower is better, as in `test`.
    """
    lowest = np.minimum.accumulate(valid)
    is_new = np.append(True, valid[1:] < lowest[:-1])
    incumbent = np.maximum.accumulate(np.where(is_new, np.arange(len(valid)), 0))
    chosen = test[incumbent]
    return Overtuning(incumbent, chosen - np.minimum.accumulate(chosen))


def sentence(valid: NDArray[np.float64], test: NDArray[np.float64], name: str) -> str:
    """What the trials after the incumbent with the lowest test value brought.

    Args:
        name: of the test metric.
    """
    result = overtuning(valid, test)
    last = int(result.incumbent[-1])
    incumbents = np.unique(result.incumbent)
    best = int(incumbents[np.argmin(test[incumbents])])
    if test[best] == test[last]:
        return f"No overtuning: of {_incumbents(len(incumbents))}, the last has the best {name}."
    n_last = len(valid) - 1 - best
    trials = "The last trial" if n_last == 1 else f"The last {n_last} trials"
    return (
        f"{trials} improved validation by {valid[best] - valid[last]:.2g} and test by nothing: there the best point "
        f"is {test[last] - test[best]:.2g} worse in {name} than an earlier best one (overtuning)."
    )


def _incumbents(n: int) -> str:
    return "one best point so far" if n == 1 else f"{n} points that were the best so far"
