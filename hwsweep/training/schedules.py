"""Learning-rate schedules: the factor on the optimizer's learning rate at each step of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hwsweep.argument_checks import check_count, check_number


class Schedule(Protocol):
    """What conf/schedule/*.yaml instantiates."""

    def __call__(self, step: int, n_steps: int) -> float:
        """Factor on the learning rate at this step, counted from 0, of `n_steps` in all."""
        ...

    def unfinished(self) -> str:
        """What of the schedule the training is too short for, as a clause; empty if it reaches the end."""
        ...


class ConstantLearningRate:
    """1 at every step."""

    def __call__(self, step: int, n_steps: int) -> float:
        return 1.0

    def unfinished(self) -> str:
        return ""


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

    def unfinished(self) -> str:
        return ""


@dataclass(frozen=True)
class StepDecay:
    """Factor in (0, 1]: the product of one `factor` for each milestone that is reached.

    Args:
        milestones: shares of the training, in (0, 1), or numbers of epochs, from 1.
        factor: in (0, 1].
        epochs: of the training.

    Raises:
        ValueError: a value is out of range.
    """

    milestones: Sequence[float]
    factor: float
    epochs: int

    def __post_init__(self) -> None:
        check_number("schedule.factor", self.factor, "(0, 1]")
        check_count("schedule.epochs", self.epochs)
        is_list = isinstance(self.milestones, Sequence) and not isinstance(self.milestones, str)
        if not is_list or not self.milestones or not all(map(_is_milestone, self.milestones)):
            raise ValueError(
                f"`schedule.milestones` must be a list of shares of the training between 0 and 1, such as [0.5,0.75], "
                f"or of whole numbers of epochs, such as [30,60], but got {self.milestones}"
            )

    def __call__(self, step: int, n_steps: int) -> float:
        n_reached = sum(step >= round(share * n_steps) for share in self._shares())
        return float(self.factor**n_reached)

    def unfinished(self) -> str:
        n_beyond = sum(share >= 1 for share in self._shares())
        of = f"{n_beyond} of {len(self.milestones)} milestones of the learning rate"
        return f"epochs={self.epochs} ends before {of}" if n_beyond else ""

    def _shares(self) -> list[float]:
        return [share if share < 1 else share / self.epochs for share in self.milestones]


def _is_milestone(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < 1 or (value >= 1 and isinstance(value, int))
