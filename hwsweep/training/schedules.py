"""Learning-rate schedules: the factor on the optimizer's learning rate at each step of training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from hwsweep.argument_checks import check_number


class Schedule(Protocol):
    """What conf/schedule/*.yaml instantiates."""

    def __call__(self, step: int, n_steps: int) -> float:
        """Factor on the learning rate at this step, counted from 0, of `n_steps` in all."""
        ...


class ConstantLearningRate:
    """1 at every step."""

    def __call__(self, step: int, n_steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class CosineWarmup:
    """Factor in (0, 1]: linear from 0 to 1 over the first `warmup` of the steps, then half a cosine to `floor`.

    Loshchilov & Hutter 2017 (arXiv:1608.03983) without restarts; the first step's factor is above 0.

    Args:
        warmup: share of the steps, in [0, 1).
        floor: factor at the end, in [0, 1].

    Raises:
        ValueError: `warmup` or `floor` is out of range.
    """

    warmup: float
    floor: float

    def __post_init__(self) -> None:
        check_number("schedule.warmup", self.warmup, "[0, 1)")
        check_number("schedule.floor", self.floor, "[0, 1]")

    def __call__(self, step: int, n_steps: int) -> float:
        n_warmup = round(self.warmup * n_steps)
        if step < n_warmup:
            return (step + 1) / n_warmup
        progress = (step - n_warmup) / max(1, n_steps - n_warmup)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))
