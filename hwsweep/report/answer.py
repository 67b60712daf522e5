"""The question of a study and its general answer, which needs no knowledge of the model."""

from __future__ import annotations

import statistics
from collections import Counter

from hwsweep.report.naming import count, trial_title, value_text
from hwsweep.sweep.study.optuna_study import pareto_front
from hwsweep.sweep.study.view import StudyView

MAX_VALUES = 12
"""Swept values, or trials, that a sentence lists one by one."""
N_BEST = 5
"""The best trials, whose standard deviation tells how certain the best one is."""


def question(view: StudyView) -> str:
    """What the study asks: the effect of which keys, with which values, on which objectives."""
    choices = view.config.get("hydra", {}).get("runtime", {}).get("choices", {})
    swept = [
        f"{key} ({_interval(view, key) if values is None else _values(values)})" for key, values in view.axes.items()
    ]
    fixed = {key: choices.get(key) for key in ("model", "dataset") if choices.get(key) and key not in view.axes}
    if "dataset" in fixed:  # data sets of one kind differ only in their name
        fixed["dataset"] = view.config.get("dataset", {}).get("name") or fixed["dataset"]
    aims = [
        f"{name} ({'higher' if direction == 'maximize' else 'lower'} is better)"
        for name, direction in zip(view.objective_names, view.directions, strict=True)
    ]
    of = f" of {' on '.join(map(str, fixed.values()))}" if fixed else ""
    if not swept:
        return f"What does one run reach in {_joined(aims)}{of}?"
    return f"What does {_joined(swept)} do to {_joined(aims)}{of}?"


def answer(view: StudyView, importances: dict[str, float]) -> list[str]:
    """The best trial, and how certain that is; of several objectives the Pareto front.

    Args:
        importances: of each swept key, shares of 1; empty if unknown.
    """
    if not view.complete_trials:
        reasons = Counter((trial.failure or {}).get("reason", trial.state) for trial in view.trials)
        states = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "none was started"
        return [f"No trial has finished, so there is no answer yet ({states})."]
    if not view.feasible_trials:
        return [f"No finished trial keeps the constraints ({count(len(view.complete_trials), 'trial')})."]
    if len(view.directions) > 1:
        return [_front_sentence(view)]
    return [_best_sentence(view), _certainty(view, importances)]


def _best_sentence(view: StudyView) -> str:
    ranked = view.ranked_trials
    best, n, n_finished = ranked[0], len(ranked), len(view.complete_trials)
    error = f" ± {best.errors[0]:.2g} (standard error over {len(best.runs)} seeds)" if best.errors else ""
    kind = "finished" if n == n_finished else "feasible"
    subject = f"The only {kind} trial is" if n == 1 else f"The best of {n} {kind} trials is"
    point = f"{trial_title(best, view)} (trial {best.number})" if view.axes else f"trial {best.number}"
    n_beyond = n_finished - n
    verb = "does" if n_beyond == 1 else "do"
    beyond = f" {n_beyond} of {n_finished} finished trials {verb} not keep the constraints."
    return f"{subject} {point}: {view.objective_names[0]} = {best.values[0]:.6g}{error}.{beyond * (n_beyond > 0)}"


def _certainty(view: StudyView, importances: dict[str, float]) -> str:
    """The distance of the best trial to the next one, compared with the known random variation."""
    ranked = view.ranked_trials
    if len(ranked) == 1:
        return "There is no other trial to compare it with."
    best, second = ranked[:2]
    gap = abs(second.values[0] - best.values[0])
    if gap == 0:
        n_equal = sum(trial.values[0] == best.values[0] for trial in ranked)
        sentence = f"{n_equal} trials share that value, so this study does not tell which of them is the best"
    elif best.errors and second.errors:
        error = (best.errors[0] ** 2 + second.errors[0] ** 2) ** 0.5
        sentence = f"The next point is {gap:.3g} worse, " + (
            f"{gap / error:.1f} standard errors" if error else "and the seeds of each point agree to the last digit"
        )
    else:
        values = [trial.values[0] for trial in ranked[:N_BEST]]
        sentence = (
            f"The next point is {gap:.3g} worse, and the standard deviation of the best {len(values)} is "
            f"{statistics.stdev(values):.3g}; each ran once, so it is unknown how much of that is luck"
        )
    if importances:
        key, share = max(importances.items(), key=lambda item: item[1])
        sentence += f"; {key} matters most ({share:.0%} of the main effects)"
    return f"{sentence}."


def _front_sentence(view: StudyView) -> str:
    numbers = [str(trial.number) for trial in pareto_front(view)]
    listed = ", ".join(numbers[:MAX_VALUES]) + ", ..." * (len(numbers) > MAX_VALUES)
    return (
        f"{len(numbers)} of {len(view.complete_trials)} finished trials are on the Pareto front (trials {listed}): "
        "no other is better in all objectives."
    )


def _values(values: tuple[object, ...]) -> str:
    texts = [value_text(value) for value in values]
    return ", ".join(texts) if len(texts) <= MAX_VALUES else f"{len(texts)} values, {texts[0]} to {texts[-1]}"


def _interval(view: StudyView, key: str) -> str:
    """ "interval 0.0001 to 0.1, log"; the bounds are those that the trials were sampled from."""
    records = [trial.record for trial in view.trials if trial.record is not None]
    spreads = [spread for record in records if (spread := record.distributions.get(key)) is not None]
    bounds = [
        float(bound)
        for spread in spreads
        for bound in (getattr(spread, "low", None), getattr(spread, "high", None))
        if bound is not None
    ]
    between = f" {min(bounds):g} to {max(bounds):g}" if bounds else ""
    return f"interval{between}{', log' * (key in view.log_keys)}"


def _joined(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
