"""Pruners that pause a trial at a rung and promote the best ones: decisions on plain values, so that a resumed sweep
decides the same.

Asynchronous successive halving of the promotion kind, and Hyperband's brackets: Li et al. 2020, arXiv:1810.05934,
algorithm 2. One epoch for all, then the best to the end: Egele et al. 2023, arXiv:2307.15422.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from hwsweep.argument_checks import check_count


class Progress(NamedTuple):
    """How far a trial is."""

    number: int
    values: Mapping[int, float]
    """The reported values by step. Smaller is better; none is NaN."""
    state: Literal["running", "paused", "ended", "failed"]
    """running: also if it waits for a slot. failed: also if the user stopped it; the next best takes its place."""
    paused: int | None
    """The rung at which a paused trial waits."""

    def value_at(self, rung: int) -> float | None:
        """The first value that was reported at this step or later; None before."""
        if rung in self.values:
            return self.values[rung]
        step = min((step for step in self.values if step >= rung), default=None)
        return None if step is None else self.values[step]


@runtime_checkable
class PausingPruner(Protocol):
    """A pruner that pauses trials. A rung is a step at which it compares them."""

    def rung(self, number: int, step: int) -> int | None:
        """The last rung of this trial up to this step; None before its first."""

    def pauses(self, number: int, rung: int, trials: Sequence[Progress]) -> bool:
        """Whether the trial, which has just reached the rung, pauses there."""

    def next_promotion(self, trials: Sequence[Progress], no_new_trials: bool) -> int | None:
        """The number of the paused trial that goes on now; None if none may."""


@dataclass(frozen=True)
class Promotion:
    """At each rung the best 1 / eta of the trials there go on; the others pause until they belong to these.

    The rungs are min, min * eta, min * eta^2, ... below max. Once no new trial is left and nothing runs, each rung lets
    its best trial go on, so that a trial of each bracket is trained to the end.
    """

    min: int
    """The first rung."""
    eta: int
    max: int
    """The step at which a trial ends."""
    brackets: int
    """Bracket s begins at rung min * eta^s and has eta times as many trials as the next; each compares its own."""

    def __post_init__(self) -> None:
        if self.max is None:
            raise ValueError("`max` must be the last step that the program reports: hydra.sweeper.pruner.max=30")
        for name, least in (("min", 1), ("eta", 2), ("max", 1), ("brackets", 1)):
            check_count(name, getattr(self, name), least=least)
        last = self.min * self.eta ** (self.brackets - 1)
        if last >= self.max:
            way_out = "raise max, or lower min or brackets" if self.brackets > 1 else "raise max, or lower min"
            raise ValueError(f"the first rung of each bracket must be below max={self.max}, but got {last}; {way_out}")

    def bracket(self, number: int) -> int:
        """The bracket of a trial: with three brackets and eta=2 they are 0 0 1 0 0 1 2, again and again."""
        sizes = [(self.eta ** (level + 1) - 1) // (self.eta - 1) for level in range(self.brackets)]
        position = number % sizes[-1]
        for level in range(self.brackets - 1, 0, -1):
            if position == sizes[level] - 1:
                return level
            position %= sizes[level - 1]
        return 0

    def rung(self, number: int, step: int) -> int | None:
        rungs = self._rungs(self.bracket(number))
        return max((rung for rung in rungs if rung <= step), default=None)

    def pauses(self, number: int, rung: int, trials: Sequence[Progress]) -> bool:
        bracket = self.bracket(number)
        return number not in self._best(self._of_bracket(bracket, trials), rung, least=0)

    def next_promotion(self, trials: Sequence[Progress], no_new_trials: bool) -> int | None:
        is_last = no_new_trials and not any(trial.state == "running" for trial in trials)
        rungs = {trial.number: trial.paused for trial in trials if trial.state == "paused"}
        for rung in sorted({rung for rung in rungs.values() if rung is not None}, reverse=True):
            for bracket in range(self.brackets):
                best = self._best(self._of_bracket(bracket, trials), rung, least=int(is_last))
                if (number := next((number for number in best if rungs.get(number) == rung), None)) is not None:
                    return number
        return None

    def _rungs(self, bracket: int) -> list[int]:
        """The rungs of a bracket, the lowest first."""
        rungs = []
        rung = self.min * self.eta**bracket
        while rung < self.max:
            rungs.append(rung)
            rung *= self.eta
        return rungs

    def _of_bracket(self, bracket: int, trials: Sequence[Progress]) -> Sequence[Progress]:
        if self.brackets == 1:
            return trials
        return [trial for trial in trials if self.bracket(trial.number) == bracket]

    def _best(self, trials: Sequence[Progress], rung: int, least: int) -> list[int]:
        """The numbers of the best 1 / eta of the trials at this rung, the best first; at least so many."""
        values = _values_at(trials, rung)
        return _ranked(values, max(least, len(values) // self.eta))


@dataclass(frozen=True)
class FirstEpoch:
    """All trials pause after their first epochs; once all have, the best ones go on to the end."""

    epochs: int
    keep: int
    """How many go on."""

    def __post_init__(self) -> None:
        for name in ("epochs", "keep"):
            check_count(name, getattr(self, name))

    def rung(self, number: int, step: int) -> int | None:
        return self.epochs if step >= self.epochs else None

    def pauses(self, number: int, rung: int, trials: Sequence[Progress]) -> bool:
        return True

    def next_promotion(self, trials: Sequence[Progress], no_new_trials: bool) -> int | None:
        is_early = any(trial.state == "running" and trial.value_at(self.epochs) is None for trial in trials)
        if is_early or not no_new_trials:
            return None
        paused = {trial.number for trial in trials if trial.state == "paused"}
        best = _ranked(_values_at(trials, self.epochs), self.keep)
        return next((number for number in best if number in paused), None)


def _values_at(trials: Iterable[Progress], rung: int) -> list[tuple[float, int]]:
    """(value, number) of each trial at the rung that has not failed."""
    values = [(trial.value_at(rung), trial.number) for trial in trials if trial.state != "failed"]
    return [(value, number) for value, number in values if value is not None]


def _ranked(values: Iterable[tuple[float, int]], n: int) -> list[int]:
    """The numbers of the best n, the best first; of two equal values the earlier trial's is the better one."""
    return [number for _, number in heapq.nsmallest(n, values)]


def comparable(value: float, maximize: bool) -> float:
    """A reported value as `Progress` has it: smaller is better, and NaN is worse than any number."""
    if math.isnan(value):
        return math.inf
    return -value if maximize else value
