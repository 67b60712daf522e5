"""Learning-rate schedules: the factor on the optimizer's learning rate at each step of training."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int], float]
"""(step from 0, number of steps in all) -> factor on the learning rate."""


def constant(step: int, n_steps: int) -> float:
    """1 at every step."""
    return 1.0


def cosine_warmup(step: int, n_steps: int, *, warmup: float, floor: float) -> float:
    """Factor in (0, 1]: linear from 0 to 1 over the first `warmup` of the steps, then half a cosine to `floor`.

    Loshchilov & Hutter 2017 (arXiv:1608.03983) without restarts; the first step's factor is above 0.

    Args:
        warmup: share of the steps, in [0, 1).
        floor: factor at the end, in [0, 1].

    Raises:
        ValueError: `warmup` or `floor` is out of range.
    """
    if not (0 <= warmup < 1 and 0 <= floor <= 1):
        raise ValueError(
            f"`schedule.warmup` must lie in [0, 1) and `schedule.floor` in [0, 1], "
            f"but got warmup={warmup}, floor={floor}"
        )
    n_warmup = round(warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    progress = (step - n_warmup) / max(1, n_steps - n_warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
