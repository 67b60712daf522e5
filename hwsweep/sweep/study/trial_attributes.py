"""What hwsweep stores with a trial or a study beside Optuna's own values: the names, and how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial as FrozenTrial

REFUSED = "refused"
"""True for a trial whose point the program refuses; it never ran."""
ADDED = "added"
"""For a trial that the plan did not propose: who asked for it (`by`), the trial that it repeats (`of`), and the
override lines that it has on top of its point (`overrides`)."""
UNLISTED = "unlisted"
"""Values of swept keys that the distribution which the study stores does not hold: of points added off a list, and of
a list that was widened. Optuna's databases do not let a list grow."""
START = "start"
"""True for a trial of which `start` gave the point, at least in part."""
COPY_OF = "copy_of"
"""The folder of another study's trial that this one began as a copy of."""
PAUSED = "paused"
"""The step at which a trial pauses; None or absent while it does not. Such a trial is WAITING."""
PROMOTED = "promoted"
"""The largest step from which a paused trial was let go on."""
STOP = "stop"
"""True for a trial that a user asks to stop; the process that runs it, or the next one, does so."""
STOPPED = "stopped"
"""True for a trial that has ended because a user asked for it."""

METRICS = "hwsweep:metrics"
"""All metrics by key: a system attribute, since Optuna's tools show each user attribute as a column of its trials."""

HELD = "held"
"""Of a study: True while no trial may start."""
N_TRIALS = "n_trials"
"""Of a study: the number of trials that a user set after the start, instead of the command's."""
WIDENED = "widened"
"""Of a study: a list of {key: [values]}, in the order in which a user has added them to finite axes."""
RESULT = "result"
"""Of a study: what it has found, in the words of its observer."""
NOTE = "note"
"""Of a study: what a user noted about it."""


def trial_params(trial: FrozenTrial) -> dict[str, Any]:
    """The trial's values by swept key: those that Optuna stores, and those that its distributions do not hold."""
    unlisted = trial.user_attrs.get(UNLISTED)
    return {**trial.params, **unlisted} if unlisted else trial.params


def trial_metrics(trial: FrozenTrial) -> dict[str, float]:
    """The metrics of an ended trial, by key; hwsweep 0.1 stored them as a user attribute."""
    metrics: dict[str, float] = trial.system_attrs.get(METRICS) or trial.user_attrs.get("metrics", {})
    return metrics


def own_values(trial: FrozenTrial) -> dict[str, str]:
    """What the trial sets on top of its point, by key, as override lines have it."""
    pairs = (line.partition("=") for line in trial.user_attrs.get(ADDED, {}).get("overrides", ()))
    return {key: value for key, _, value in pairs}


def origin(trial: FrozenTrial) -> str:
    """How a user has added the trial: "added", "retry of 4" or "replicate of 5"; empty for any other."""
    if (entry := trial.user_attrs.get(ADDED)) is None:
        return ""
    return "added" if entry["of"] is None else f"{entry['by']} of {entry['of']}"


def is_paused(trial: FrozenTrial) -> bool:
    """Whether the trial waits for its promotion."""
    return trial.state.name == "WAITING" and trial.user_attrs.get(PAUSED) is not None


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether Optuna gives back exactly this value when it is stored with this distribution."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return any(repr(choice) == repr(value) for choice in distribution.choices)  # 1, 1.0 and True differ
    if isinstance(distribution, IntDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return type(value) is int and low <= value <= high and (value - low) % step == 0
    return type(value) is float and bool(distribution.low <= value <= distribution.high)  # type: ignore[attr-defined]
