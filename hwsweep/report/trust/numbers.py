"""The section's numbers for the tables: trust.csv has those of the study, results.csv those of each trial."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hwsweep.report.trust import overtuning, pruner
from hwsweep.report.trust.estimates import (
    best_trials,
    fairness,
    objective_importances,
    pruned_trials,
    splits,
    top_importances,
)
from hwsweep.report.trust.forest import Forest
from hwsweep.report.trust.path import path_to_best
from hwsweep.report.trust.points import Points, points_of
from hwsweep.report.trust.space import columns_of
from hwsweep.sweep.study.view import StudyView


class Number(NamedTuple):
    """A row of trust.csv."""

    subject: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    """The bounds of the interval, where there is one."""


def numbers(view: StudyView) -> Iterator[Number]:
    """The rows of trust.csv; none for several objectives, or too few complete trials."""
    points = points_of(view)
    if points is None or len(view.directions) != 1:
        return
    if (found := splits(view)) is not None:
        yield Number("overtuning", found.name, float(overtuning.overtuning(found.valid, found.test).excess[-1]))
    for aim, importances in (("objective", objective_importances(points)), ("best tenth", top_importances(points))):
        yield from (Number(f"importance, {aim}", each.name, each.share, each.low, each.high) for each in importances)
    if (result := fairness(view)) is not None:
        for step, correlation in result.correlation.items():
            yield Number("rank correlation with the final value", f"step {step}", correlation)
        yield Number("pruned trials", f"estimated in the top {pruner.TOP:.0%}", result.n_lost)
    if (winner := best_trials(view)) is not None:
        yield Number("best trials", "noise", winner.noise)
        yield Number("best trials", f"difference of {winner.n}", winner.gap)
        yield Number("best trials", "probability that the best one beats the runner-up", winner.probability)
    if points.keys:
        yield from _forest_numbers(view, points)


def _forest_numbers(view: StudyView, points: Points) -> Iterator[Number]:
    forest = Forest(columns_of(points.keys, points.trials), points.target)
    for index, key in enumerate(points.keys):
        yield Number("partial dependence, range", key.name, float(np.ptp(forest.dependence(index).mean)))
    if (path := path_to_best(view, points, forest)) is not None:
        yield Number("ablation path", path.start, path.first)
        for name, step in zip(path.names, path.steps, strict=True):
            yield Number("ablation path", name, step.prediction)


def columns(view: StudyView) -> dict[int, dict[str, Any]]:
    """Number of a trial -> its columns of results.csv: the incumbent after it, that one's test value and overtuning; of
    a pruned trial the chance that it would have been at the top."""
    rows: dict[int, dict[str, Any]] = {}
    if (found := splits(view)) is not None:
        result = overtuning.overtuning(found.valid, found.test)
        for trial, place, excess in zip(found.trials, result.incumbent, result.excess, strict=True):
            incumbent = found.trials[place]
            rows[trial.number] = {
                "incumbent": incumbent.number,
                f"incumbent {found.name}": incumbent.metrics[found.name],
                "overtuning": float(excess),
            }
    if (of_pruner := fairness(view)) is not None:
        for trial, chance in zip(pruned_trials(view), of_pruner.chances, strict=True):
            rows[trial.number] = {f"chance of the top {pruner.TOP:.0%}": None if math.isnan(chance) else float(chance)}
    return rows
