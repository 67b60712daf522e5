"""What a training program may ask of the sweep it runs in. Light: it imports nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | float | bool"
"""A swept value as Optuna stores it; a string is the text after `key=` in an override."""


class TrialPruned(Exception):
    """Raised by the program to end a trial that should_prune() gave up."""


class Trial(NamedTuple):
    """The trial that runs in this process."""

    study: str
    number: int
    params: dict[str, Value]
    """The swept values of this trial, in command-line order; with `seeds`, the seed too."""
    report: Callable[[float, int], None]
    """report(value, step): an intermediate value of the objective, for the pruner and the live view.

    A run that goes on from a checkpoint reports its earlier steps again: the last may have been lost with its process.
    """
    should_prune: Callable[[], bool]
    """Whether the pruner gives this trial up, judged by what was reported."""


_current: Trial | None = None


def current_trial() -> Trial | None:
    """The trial that runs in this process; None outside a sweep."""
    return _current


def enter(trial: Trial | None) -> None:
    """Make the trial the current one of this process (for the engine)."""
    global _current
    _current = trial
