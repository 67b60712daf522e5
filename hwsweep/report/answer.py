"""The question of a study and its answer in two sentences, from the numbers of its trials."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from hwsweep.report.naming import LAMBDA, best, finished, number, objectives, short, title, verdict_name

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView, TrialView

SHOWN_VALUES = 12
"""Swept values that a question names one by one."""
MOST_LISTED = 3
"""Neighbouring lambdas of one verdict that are named one by one."""
NEAR = 5
"""Trials next to the best whose spread tells how sure the best one is."""


def question(view: StudyView) -> str:
    """What was asked: which keys were changed, between which values, and what was looked at."""
    choices = view.config.get("hydra", {}).get("runtime", {}).get("choices", {})
    swept = [f"{key} ({_values(values)})" for key, values in view.axes.items()]
    fixed = {key: choices.get(key) for key in ("model", "dataset") if choices.get(key) and key not in view.axes}
    if "dataset" in fixed:  # two data sets of one kind differ in their name only
        fixed["dataset"] = view.config.get("dataset", {}).get("name") or fixed["dataset"]
    where = " on ".join(str(name) for name in fixed.values())
    aims = [
        f"{name} ({'higher' if direction == 'maximize' else 'lower'} is better)"
        for name, direction in zip(objectives(view), view.directions, strict=True)
    ]
    of = f" of {where}" if where else ""
    if not swept:
        return f"What does one run reach in {_listed(aims)}{of}?"
    return f"What does {_listed(swept)} do to {_listed(aims)}{of}?"


def answer(view: StudyView, importances: dict[str, float]) -> list[str]:
    """Two sentences: of a lambda sweep the verdicts, of a search the best point and how sure it is.

    Args:
        importances: of each swept key, shares of 1; empty if they are not known.
    """
    done = finished(view)
    if not done:
        reasons = Counter((trial.failure or {}).get("reason", trial.state) for trial in view.trials)
        told = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "none was started"
        return [f"No trial has finished, so there is no answer yet ({told})."]
    if len(view.directions) > 1:
        return [_front(view)]
    if LAMBDA in view.axes and (alike := _alike(view, done)):
        return [_collapse(alike, _point(alike[0], [key for key in view.axes if key != LAMBDA])), _lowest(view)]
    return [_lowest(view), _how_sure(view, importances)]


def _alike(view: StudyView, done: list[TrialView]) -> list[TrialView]:
    """The judged trials that differ from the best one in lambda only, with growing lambda; none if it is alone."""
    first = best(view)
    assert first is not None
    same = [
        trial
        for trial in done
        if all(trial.params.get(key) == first.params.get(key) for key in view.axes if key != LAMBDA)
    ]
    judged = len(same) > 1 and all(verdict_name(trial) for trial in same)
    return sorted(same, key=_lambda) if judged else []


def _point(trial: TrialView, keys: list[str]) -> str:
    """These values of the trial: "lr = 0.001"."""
    return ", ".join(f"{short(key)} = {number(trial.params[key])}" for key in keys if key in trial.params)


def _collapse(trials: list[TrialView], where: str) -> str:
    """Where along lambda the verdict changes; `where` says what the other values are."""
    told = _change([(name, list(some)) for name, some in groupby(trials, key=verdict_name)])
    return f"With {where}: {told}" if where else told


def _change(named: list[tuple[str, list[TrialView]]]) -> str:
    """The same, from stretches of lambda with one verdict each."""
    for (_, before), (name, after) in pairwise(named):
        if name == "collapsed":
            low, high = before[-1], after[0]
            return (
                f"Between lambda = {number(_lambda(low))} and {number(_lambda(high))} the posterior collapsed: "
                f"the rate falls from {_metric(low, 'rate', 2)} to {_metric(high, 'rate', 2)} nats and the active "
                f"units from {_metric(low, 'active_units', 0)} to {_metric(high, 'active_units', 0)}{_others(named)}."
            )
    if named[0][0] == "collapsed":
        lowest = number(_lambda(named[0][1][0]))
        return f"The posterior is collapsed already at the smallest lambda, {lowest}{_others(named)}."
    highest = number(_lambda(named[-1][1][-1]))
    return f"The posterior did not collapse totally at any lambda up to {highest}{_others(named)}."


def _others(named: list[tuple[str, list[TrialView]]]) -> str:
    """The verdicts beside the collapse: "; lambda = 0 is unregularised"."""
    told = [
        f"lambda = {_stretch(trials)} {'is' if len(trials) == 1 else 'are'} {name}"
        for name, trials in named
        if name != "collapsed"
    ]
    return f"; {'; '.join(told)}" if told else ""


def _stretch(trials: list[TrialView]) -> str:
    values = [number(_lambda(trial)) for trial in trials]
    return ", ".join(values) if len(values) <= MOST_LISTED else f"{values[0]} to {values[-1]}"


def _lowest(view: StudyView) -> str:
    """The best point with its value."""
    first, n = best(view), len(finished(view))
    assert first is not None
    error = f" ± {first.errors[0]:.2g} (standard error over {len(first.runs)} seeds)" if first.errors else ""
    which = "The only finished trial is" if n == 1 else f"The best of {n} finished trials is"
    point = f"{title(first, view)} (trial {first.number})" if view.axes else f"trial {first.number}"
    return f"{which} {point}: {objectives(view)[0]} = {first.values[0]:.6g}{error}."


def _how_sure(view: StudyView, importances: dict[str, float]) -> str:
    """How far the best point is from the next ones, in units of what is known of chance."""
    sign = -1 if view.directions[0] == "maximize" else 1
    ranked = sorted(finished(view), key=lambda trial: sign * trial.values[0])
    if len(ranked) == 1:
        return "One trial tells nothing about its neighbours."
    gap = abs(ranked[1].values[0] - ranked[0].values[0])
    if gap == 0:
        alike = sum(trial.values[0] == ranked[0].values[0] for trial in ranked)
        sure = f"{alike} trials share that value, so this study does not tell which of them is the best"
    elif ranked[0].errors and ranked[1].errors:
        error = (ranked[0].errors[0] ** 2 + ranked[1].errors[0] ** 2) ** 0.5
        sure = f"The next point is {gap:.3g} worse, " + (
            f"{gap / error:.1f} standard errors" if error else "and each point's seeds agree to the last digit"
        )
    else:
        values = [trial.values[0] for trial in ranked[:NEAR]]
        sure = (
            f"The next point is {gap:.3g} worse and the best {len(values)} spread by {statistics.stdev(values):.3g} "
            "(standard deviation); each ran once, so how much of that is chance is not known"
        )
    if importances:
        key, share = max(importances.items(), key=lambda item: item[1])
        sure += f"; {key} matters most (importance {share:.0%})"
    return f"{sure}."


def _front(view: StudyView) -> str:
    """How many points nothing else beats in every objective."""
    signs = [-1 if direction == "maximize" else 1 for direction in view.directions]
    points = {trial.number: [s * v for s, v in zip(signs, trial.values, strict=True)] for trial in finished(view)}
    front = [
        number
        for number, point in points.items()
        if not any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points.values()
        )
    ]
    numbers = ", ".join(map(str, front[:SHOWN_VALUES])) + (", ..." if len(front) > SHOWN_VALUES else "")
    return (
        f"{len(front)} of {len(points)} finished trials are on the Pareto front (trials {numbers}): "
        "no other is better in all objectives."
    )


def _values(values: tuple[object, ...] | None) -> str:
    if values is None:
        return "an interval"
    told = [number(value) for value in values]
    return ", ".join(told) if len(told) <= SHOWN_VALUES else f"{len(told)} values, {told[0]} to {told[-1]}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _lambda(trial: TrialView) -> float:
    return float(trial.params[LAMBDA])


def _metric(trial: TrialView, name: str, digits: int) -> str:
    value = trial.metrics.get(f"test/{name}")
    return "-" if value is None else f"{value:.{digits}f}"
