"""The first sentence of a study of VAEs: where the posterior collapses, or what a wider context changes."""

from __future__ import annotations

import math
from itertools import groupby

from hwsweep.report.naming import subset, value_text, verdict
from hwsweep.report.posterior_collapse.selection import INCONCLUSIVE, collapse_place
from hwsweep.report.posterior_collapse.trials import CONTEXT, LAMBDA, RATE
from hwsweep.sweep.study.trial_view import TrialView

MAX_LISTED = 3
"""Neighbouring lambdas of one verdict that a sentence lists one by one."""
MAX_GROUPS = 6
"""Groups of neighbouring lambdas with one verdict; where verdicts alternate more often they are counted."""
MAX_RATES = 6
"""Rates that a sentence lists one by one."""


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
    """The rate and the lambda that each target led to, with the verdict; of many targets some.

    Args:
        trials: by target rate.
    """
    shown = subset(trials, MAX_RATES)
    targets = [float(trial.params[RATE]) for trial in shown]
    reached = [
        f"{trial.metrics.get('test/rate', math.nan):.2f} nats with lambda = "
        f"{trial.metrics.get('test/kl_weight', math.nan):.3g} ({verdict(trial)})"
        for trial in shown
    ]
    asked = f"{', '.join(f'{target:g}' for target in targets[:-1])} and {targets[-1]:g} nats"
    asked += f" ({len(shown)} of {len(trials)})" * (len(shown) < len(trials))
    return (
        f"Asked for rates of {asked}, the models have, on the test images, {', '.join(reached[:-1])} and {reached[-1]}."
    )


def collapse_sentence(trials: list[TrialView]) -> str:
    """At which lambda the posterior collapses.

    Args:
        trials: by lambda.
    """
    verdicts = [verdict(trial) for trial in trials]
    others = "".join(f"; {text}" for text in _verdict_texts(trials, verdicts))
    if set(verdicts) <= set(INCONCLUSIVE):
        return f"No run tells whether the posterior collapses{others}."
    if (place := collapse_place(verdicts)) is not None:
        low, high = trials[place - 1], trials[place]
        rate = [trial.metrics.get("test/rate", math.nan) for trial in (low, high)]
        units = [trial.metrics.get("test/active_units", math.nan) for trial in (low, high)]
        first = "first " * bool(set(verdicts[place:]) - {"collapsed", *INCONCLUSIVE})
        return (
            f"Between lambda = {_lambda_texts([low])} and {_lambda_texts([high])} the posterior {first}collapsed: "
            f"the rate falls from {rate[0]:.2f} to {rate[1]:.2f} nats and the active units from {units[0]:.0f} to "
            f"{units[1]:.0f}{others}."
        )
    if verdicts[0] == "collapsed":
        return f"The posterior is collapsed already at the smallest lambda, {_lambda_texts(trials[:1])}{others}."
    return f"The posterior did not collapse totally at any lambda up to {_lambda_texts(trials[-1:])}{others}."


def _verdict_texts(trials: list[TrialView], verdicts: list[str]) -> list[str]:
    """The verdict on each group of neighbours that is not collapsed; where verdicts alternate, how many runs have each.

    "lambda = 0.1, 1 are healthy"; "12 of 100 runs are healthy (lambda = 0.1 to 3)".
    """
    pairs = list(zip(verdicts, trials, strict=True))
    groups = [(name, [trial for _, trial in group]) for name, group in groupby(pairs, key=lambda pair: pair[0])]
    if len(groups) <= MAX_GROUPS:
        return [
            f"lambda = {_lambda_texts(group)} {_is_or_are(len(group))} {name}"
            for name, group in groups
            if name != "collapsed"
        ]
    runs = {name: [trial for other, trial in pairs if other == name] for name in dict.fromkeys(verdicts)}
    return [
        f"{len(group)} of {len(trials)} runs {_is_or_are(len(group))} {name} (lambda = {_lambda_texts(group)})"
        for name, group in runs.items()
    ]


def _is_or_are(n: int) -> str:
    return "is" if n == 1 else "are"


def _lambda_texts(trials: list[TrialView]) -> str:
    """ "0.1, 1", or "0.1 to 100" for many."""
    values = [value_text(_swept_lambda(trial)) for trial in trials]
    return ", ".join(values) if len(values) <= MAX_LISTED else f"{values[0]} to {values[-1]}"


def _swept_lambda(trial: TrialView) -> float:
    return float(trial.params[LAMBDA])
