"""What the section estimates of a search, from its view: plain values that sentences, tables and figures share."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsweep.report.trust import pruner, winner
from hwsweep.report.trust.importance import Importance, best
from hwsweep.report.trust.importance import importances as shares
from hwsweep.report.trust.points import MIN_TRIALS, Points, points_of, repeats, search_trials, signs_of
from hwsweep.report.trust.space import columns_of
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView


class Splits(NamedTuple):
    """The feasible complete trials with their values on two splits; lower is better."""

    trials: list[TrialView]
    valid: NDArray[np.float64]
    test: NDArray[np.float64]
    name: str
    """Of the test metric."""


def importances(view: StudyView) -> list[Importance]:
    """The swept keys whose importance for the objective is told from zero, the most important first."""
    points = points_of(view)
    return objective_importances(points) if points is not None and len(view.directions) == 1 else []


def objective_importances(points: Points) -> list[Importance]:
    """Shares of the main effects on the objective (functional ANOVA)."""
    return shares(columns_of(points.keys, points.trials), points.target) if len(points.keys) > 1 else []


def top_importances(points: Points) -> list[Importance]:
    """Shares of the main effects on being among the best trials (PED-ANOVA); of several objectives, too."""
    return shares(columns_of(points.keys, points.trials), best(points.values)) if len(points.keys) > 1 else []


def splits(view: StudyView) -> Splits | None:
    """None for too few trials, several objectives, or where a trial has no finite value on the test split."""
    trials = [trial for trial in search_trials(view) if trial.feasibility != "infeasible"]
    objective, *others = view.objective_names
    name = f"test/{objective.removeprefix('valid/')}"
    if others or not objective.startswith("valid/") or len(trials) < MIN_TRIALS:
        return None
    if not all(math.isfinite(trial.metrics.get(name, math.nan)) for trial in trials):
        return None
    valid, test = [trial.values[0] for trial in trials], [trial.metrics[name] for trial in trials]
    (sign,) = signs_of(view)
    return Splits(trials, sign * np.array(valid), sign * np.array(test), name)


def fairness(view: StudyView) -> pruner.Fairness | None:
    """Of the pruner; None for too few trials, several objectives, or no pruned trial."""
    if len(view.directions) != 1 or len(search_trials(view)) < MIN_TRIALS or not (pruned := pruned_trials(view)):
        return None
    (sign,) = signs_of(view)
    finished = [(_signed(trial, sign), sign * trial.values[0]) for trial in search_trials(view) if trial.reported]
    return pruner.fairness(finished, [_signed(trial, sign) for trial in pruned])


def pruned_trials(view: StudyView) -> list[TrialView]:
    """The pruned trials that have reported a value, by number."""
    return [trial for trial in view.trials if trial.state == "pruned" and trial.reported]


def _signed(trial: TrialView, sign: float) -> dict[int, float]:
    return {step: sign * value for step, value in trial.reported.items()}


def best_trials(view: StudyView) -> winner.Winner | None:
    """The winner among the best trials, by the seeds of every trial, or by the trials that repeat the best ones."""
    ranked = ranked_trials(view)
    if not ranked:
        return None
    (sign,) = signs_of(view)
    if all(trial.errors for trial in ranked):
        return winner.winner([sign * trial.values[0] for trial in ranked], [trial.errors[0] for trial in ranked])
    further: dict[int, list[float]] = {trial.number: [] for trial in ranked[: winner.N_BEST]}
    for trial in view.complete_trials:
        if (number := repeats(trial)) in further and math.isfinite(trial.values[0]):
            further[number].append(sign * trial.values[0])
    return winner.repeated_winner(list(further.values()))


def ranked_trials(view: StudyView) -> list[TrialView]:
    """The trials of the search, the best one first; empty unless there is one objective."""
    return [trial for trial in view.ranked_trials if repeats(trial) is None and math.isfinite(trial.values[0])]
