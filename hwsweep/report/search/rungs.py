"""The rungs of a study whose trials pause: how many went on from each, with which values, and ties."""

from __future__ import annotations

from collections import Counter

from hwsweep.report.naming import count
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView


def sentences(view: StudyView) -> list[str]:
    """One sentence per rung, and what happens to paused trials; none for a study without rungs."""
    rungs = sorted({rung for trial in view.trials for rung in (trial.pause, trial.promotion) if rung})
    if not rungs:
        return []
    name = str((view.config.hydra.sweeper.pruner or {}).get("_target_", "")).rpartition(".")[2]
    lines = [sentence for rung in rungs for sentence in (_sentence(rung, view.trials), *_tie(rung, view.trials))]
    n_paused = sum(trial.state == "paused" for trial in view.trials)
    if n_paused:
        lines.append(f"{count(n_paused, 'trial')} may still be promoted when the sweep goes on.")
    elif any(trial.state == "pruned" and trial.pause for trial in view.trials):
        lines.append("Trials that had paused when nothing was left to run were pruned.")
    return [f"The pruner is {name}: it compares trials at rungs by the value that they report there.", *lines]


def _sentence(rung: int, trials: list[TrialView]) -> str:
    """How many trials reached the rung, and what became of them."""
    trials = [trial for trial in trials if max(trial.reported, default=0) >= rung]
    went_on = [trial for trial in trials if (trial.promotion or 0) >= rung or trial.state == "complete"]
    stayed = [trial for trial in trials if trial.pause == rung]
    parts = [f"{len(went_on)} went on{_range(went_on, rung)}", f"{len(stayed)} stayed{_range(stayed, rung)}"]
    return f"Step {rung}: {count(len(trials), 'trial')} reached it, {', '.join(parts)}."


def _tie(rung: int, trials: list[TrialView]) -> list[str]:
    """That most trials have one value at the rung; nothing if they differ."""
    values = Counter(_value(trial, rung) for trial in trials if max(trial.reported, default=0) >= rung)
    ((value, n_equal),) = values.most_common(1) or [(0.0, 0)]
    if n_equal < 2 or 2 * n_equal <= values.total():
        return []
    return [f"{n_equal} of them have the same value there ({value:.5g}), which does not tell which of them is better."]


def _range(trials: list[TrialView], rung: int) -> str:
    """The values of the trials at the rung, from the lowest to the highest, in brackets; empty without a trial."""
    values = [_value(trial, rung) for trial in trials]
    if not values:
        return ""
    low, high = f"{min(values):.5g}", f"{max(values):.5g}"
    return f" ({low})" if low == high else f" ({low} to {high})"


def _value(trial: TrialView, rung: int) -> float:
    """What the trial reported at the rung, or at its next step."""
    return trial.reported[min(step for step in trial.reported if step >= rung)]
