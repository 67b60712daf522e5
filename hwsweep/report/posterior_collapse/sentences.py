"""The first sentence of a study of VAEs: where the posterior collapses, or what a wider context changes."""

from __future__ import annotations

import math
from itertools import pairwise

from hwsweep.report.naming import value_text, verdict
from hwsweep.report.posterior_collapse.trials import CONTEXT, LAMBDA, RATE
from hwsweep.sweep.study.trial_view import TrialView

INCONCLUSIVE = ("untrained", "undecided")
"""Verdicts on runs that tell nothing about collapse."""
MAX_LISTED = 3
"""Neighbouring lambdas of one verdict that a sentence lists one by one."""


def context_sentence(trials: list[TrialView], kl_weight: float) -> str:
    """How the posterior changes from the narrowest context to the widest one, at one lambda."""
    untold = [trial for trial in trials if verdict(trial) in INCONCLUSIVE]
    if untold:
        contexts = ", ".join(value_text(trial.params[CONTEXT]) for trial in untold)
        return f"Runs that are {' or '.join(INCONCLUSIVE)} tell nothing about the context: context = {contexts}."
    changes = []
    for name, metric, decimals, unit in (
        ("rate", "test/rate", 2, " nats"),
        ("mutual information", "test/mutual_information", 2, " nats"),
        ("number of active units", "test/active_units", 0, ""),
    ):
        first, last = (f"{trial.metrics.get(metric, math.nan):.{decimals}f}" for trial in (trials[0], trials[-1]))
        verb = "falls" if float(last) < float(first) else "rises"
        changes.append(
            f"the {name} " + (f"stays {last}{unit}" if first == last else f"{verb} from {first} to {last}{unit}")
        )
    narrow, wide = (value_text(trial.params[CONTEXT]) for trial in (trials[0], trials[-1]))
    start = f"From context = {narrow} to {wide}, at the same lambda = {value_text(kl_weight)}, "
    return f"{start}{', '.join(changes[:-1])} and {changes[-1]}."


def rate_sentence(trials: list[TrialView]) -> str:
    """The rate and the lambda that each target led to, with the verdict.

    Args:
        trials: by target rate.
    """
    targets = [float(trial.params[RATE]) for trial in trials]
    reached = [
        f"{trial.metrics.get('test/rate', math.nan):.2f} nats with lambda = "
        f"{trial.metrics.get('test/kl_weight', math.nan):.3g} ({verdict(trial)})"
        for trial in trials
    ]
    asked = f"{', '.join(f'{target:g}' for target in targets[:-1])} and {targets[-1]:g} nats"
    return (
        f"Asked for rates of {asked}, the models have, on the test images, {', '.join(reached[:-1])} and {reached[-1]}."
    )


def collapse_sentence(groups: list[tuple[str, list[TrialView]]]) -> str:
    """At which lambda the posterior collapses.

    Args:
        groups: neighbouring trials with the same verdict, by lambda.
    """
    verdicts = [
        f"lambda = {_lambda_texts(trials)} {'is' if len(trials) == 1 else 'are'} {name}"
        for name, trials in groups
        if name != "collapsed"
    ]
    others = "".join(f"; {sentence}" for sentence in verdicts)
    if all(name in INCONCLUSIVE for name, _ in groups):
        return f"No run tells whether the posterior collapses{others}."
    for index, ((_, before), (name, after)) in enumerate(pairwise(groups)):
        if name == "collapsed" and groups[index][0] not in INCONCLUSIVE:
            low, high = before[-1], after[0]
            rate = [trial.metrics.get("test/rate", math.nan) for trial in (low, high)]
            units = [trial.metrics.get("test/active_units", math.nan) for trial in (low, high)]
            return (
                f"Between lambda = {_lambda_texts([low])} and {_lambda_texts([high])} the posterior collapsed: "
                f"the rate falls from {rate[0]:.2f} to {rate[1]:.2f} nats and the active units from {units[0]:.0f} to "
                f"{units[1]:.0f}{others}."
            )
    if groups[0][0] == "collapsed":
        return f"The posterior is collapsed already at the smallest lambda, {_lambda_texts(groups[0][1][:1])}{others}."
    return f"The posterior did not collapse totally at any lambda up to {_lambda_texts(groups[-1][1][-1:])}{others}."


def _lambda_texts(trials: list[TrialView]) -> str:
    """ "0.1, 1", or "0.1 to 100" for many."""
    values = [value_text(_swept_lambda(trial)) for trial in trials]
    return ", ".join(values) if len(values) <= MAX_LISTED else f"{values[0]} to {values[-1]}"


def _swept_lambda(trial: TrialView) -> float:
    return float(trial.params[LAMBDA])
