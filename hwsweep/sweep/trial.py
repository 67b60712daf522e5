"""The sweep as a training program sees it: its trial, reports, pruning. It imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | float | bool"
"""A swept value as Optuna stores it; a string is the text after `key=` in an override."""


class TrialPruned(Exception):
    """The program raises it to end a trial after should_prune() returned True."""


class Trial(NamedTuple):
    """The trial that runs in this process."""

    study: str
    number: int
    params: dict[str, Value]
    """The swept values of this trial, in command-line order; with `seeds`, the seed too."""
    report: Callable[[float, int], None]
    """report(value, step): an intermediate value of the objective, for the pruner and the live view.

    A run that continues from a checkpoint reports its earlier steps again: the last report of a killed process may be
    lost.
    """
    should_prune: Callable[[], bool]
    """Whether the pruner ends or pauses this trial, given the values reported so far."""
    set_constraint: Callable[[str, float], None] = lambda name, value: None
    """set_constraint(name, value): the trial is feasible where no value is above 0; the last value of a name counts."""
    pauses: bool = False
    """Whether a trial that should_prune() has ended may go on later, in the same folder."""
    origin: str = ""
    """How a user has added the trial to the study ("added", "retry of 4", "replicate of 5"); empty for any other."""

    @property
    def name(self) -> str:
        """The swept values: "lambda=10, seed=1"; a key has its last part alone where no other key ends with it."""
        last = {key: key.rpartition(".")[2] for key in self.params}
        names = {key: key if list(last.values()).count(part) > 1 else part for key, part in last.items()}
        return ", ".join(f"{names[key]}={value}" for key, value in self.params.items())

    @property
    def folder(self) -> Path:
        """The folder of this run, for its checkpoint; it is the same when the run goes on after a kill or a pause."""
        from hydra.core.hydra_config import HydraConfig

        return Path(HydraConfig.get().runtime.output_dir)

    @property
    def numbers(self) -> dict[str, float]:
        """The swept values that are numbers, by key."""
        values = self.params.items()
        return {key: value for key, value in values if isinstance(value, int | float) and not isinstance(value, bool)}


class Constraints:
    """The values that the program of a run has set, by name."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def set(self, name: str, value: float) -> None:
        """Store the value.

        Raises:
            ValueError: it is not finite.
        """
        if not math.isfinite(float(value)):
            raise ValueError(f"the value of a constraint must be finite, but {name!r} has {value}")
        self.values[str(name)] = float(value)


_current: Trial | None = None


def current_trial() -> Trial | None:
    """The trial that runs in this process; None outside a sweep."""
    return _current


def set_current(trial: Trial | None) -> None:
    """Make this the trial of this process; only the process that runs a job calls it."""
    global _current
    _current = trial
