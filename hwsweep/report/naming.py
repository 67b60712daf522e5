"""How the page, the terminal and the figures name the parts of a study."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from hwsweep import run_folder
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

Item = TypeVar("Item")

MAX_DIGITS = 6
"""Significant digits of a number in a cell."""

MAX_SENTENCES = 20
"""Trials whose verdicts the terminal, the page and MLflow's note list one by one."""


def trial_title(trial: TrialView, view: StudyView) -> str:
    """The swept values of a trial ("lr = 0.01"), or its number where nothing was swept."""
    return point_title(trial, view.axes) or f"trial {trial.number}"


def point_title(trial: TrialView, keys: Iterable[str]) -> str:
    """The trial's values of these keys: "lr = 0.01, heads = 4"; empty where it has none of them.

    A trial that a user added with a seed of its own ends with it: "lr = 0.01, seed = 8".
    """
    values = [(key, value_text(trial.params[key])) for key in keys if key in trial.params]
    own = [tuple(line.split("=", 1)) for line in (trial.added or {}).get("overrides", ())]
    return ", ".join(f"{short_name(key)} = {value}" for key, value in [*values, *own])


def short_name(key: str) -> str:
    """The last part of a dotted name."""
    return key.rpartition(".")[2]


def value_text(value: object) -> str:
    """A value as text; floats have at most 5 digits."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def number_text(value: float, decimals: int) -> str:
    """A number with so many decimals, or with fewer digits where that would be more than six significant ones."""
    fixed = f"{value:.{decimals}f}"
    n_digits = len(fixed.strip("-").replace(".", "").lstrip("0"))
    return fixed if n_digits <= MAX_DIGITS else f"{value:.{MAX_DIGITS}g}"


def count(n: int, noun: str) -> str:
    """ "1 trial", "2 trials"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def states_text(trials: Iterable[TrialView]) -> str:
    """ "2 complete, 1 failed"; empty without trials."""
    return ", ".join(f"{n} {state}" for state, n in Counter(trial.state for trial in trials).items())


def run_directory(trial: TrialView) -> Path:
    """The folder of the trial's run; with several seeds, of the first one."""
    return trial.runs[0].directory


def run_title(trial: TrialView, view: StudyView) -> str:
    """The title of the run that the trial's figures and verdict come from: "lr = 0.01 (the first of 3 seeds)"."""
    seed = f" (the first of {len(trial.runs)} seeds)" if len(trial.runs) > 1 else ""
    return f"{trial_title(trial, view)}{seed}"


def verdict(trial: TrialView) -> str:
    """The verdict on the trial's model without its numbers; empty without a verdict."""
    return (run_folder.read_tag(run_directory(trial), "verdict") or "").partition(" (")[0]


def verdict_sentence(trial: TrialView) -> str:
    """The verdict with its numbers, in one sentence; empty without a verdict."""
    return run_folder.read_tag(run_directory(trial), "why") or ""


def verdict_sentences(view: StudyView) -> list[str]:
    """One sentence per complete trial that has a verdict; of many one per verdict, of the trial in the middle."""
    trials = [trial for trial in view.complete_trials if verdict_sentence(trial)]
    if len(trials) <= MAX_SENTENCES:
        return [f"{run_title(trial, view)}: {verdict_sentence(trial)}" for trial in trials]
    alike: dict[str, list[TrialView]] = defaultdict(list)
    for trial in trials:
        alike[verdict(trial)].append(trial)
    return [
        *(
            f"{len(group)} of {len(trials)} trials{', such as' if len(group) > 1 else ':'} {run_title(middle, view)}: "
            f"{verdict_sentence(middle)}"
            for group in alike.values()
            for middle in [group[len(group) // 2]]
        ),
        "results.csv has the verdict on every trial.",
    ]


def command_line(words: list[str]) -> str:
    """A command to copy; the interpreter is named without its folder."""
    if not words:
        return ""
    program = Path(words[0]).name
    return shlex.join(["python" if program.startswith("python") else words[0], *words[1:]])


def subset(items: list[Item], size: int) -> list[Item]:
    """At most `size` items at even distances, the first and the last included."""
    if len(items) <= size:
        return items
    return [items[round(index * (len(items) - 1) / (size - 1))] for index in range(size)]
