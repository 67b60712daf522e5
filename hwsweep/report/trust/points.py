"""The trials that the section's estimates are made from."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsweep.report.naming import subset
from hwsweep.report.trust.space import Key, keys_of
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

MIN_TRIALS = 20
"""Complete trials below which nothing is estimated."""
MAX_TRIALS = 2_000
"""Trials that estimates are made from."""


class Points(NamedTuple):
    """The complete trials of a search, at most `MAX_TRIALS` of them."""

    trials: list[TrialView]
    keys: list[Key]
    values: NDArray[np.float64]
    """A row for each trial, a column for each objective; lower is better."""
    signs: list[float]
    """Per objective -1 where it is maximised, so that the objective is -values."""
    n_all: int
    """How many trials they are taken from."""

    @property
    def target(self) -> NDArray[np.float64]:
        """The values of the first objective."""
        return np.asarray(self.values[:, 0])

    @property
    def sample(self) -> str:
        """A sentence that says how many of how many trials these are; empty if all."""
        n = len(self.trials)
        return f" Estimated from {n:,} of {self.n_all:,} trials." if n < self.n_all else ""


def points_of(view: StudyView) -> Points | None:
    """The trials that estimates are made from; None for too few trials."""
    trials = search_trials(view)
    if len(trials) < MIN_TRIALS:
        return None
    chosen, signs = subset(trials, MAX_TRIALS), signs_of(view)
    values = np.array([trial.values for trial in chosen]) * signs
    return Points(chosen, keys_of(view, chosen), values, signs, len(trials))


def search_trials(view: StudyView) -> list[TrialView]:
    """The complete trials with finite values, by number, without those that repeat another with a further seed."""
    return [trial for trial in view.complete_trials if repeats(trial) is None and all(map(math.isfinite, trial.values))]


def repeats(trial: TrialView) -> int | None:
    """The number of the trial that this one repeats with a further seed; None for a trial of the search."""
    added = trial.added or {}
    return int(added["of"]) if added.get("by") == "replicate" else None


def signs_of(view: StudyView) -> list[float]:
    """Per objective -1 where it is maximised, else 1."""
    return [-1.0 if direction == "maximize" else 1.0 for direction in view.directions]
