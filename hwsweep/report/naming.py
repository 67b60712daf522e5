"""How a study's parts are called on the terminal, in figures and on the page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import run_folder

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView, TrialView

LAMBDA = "vae.lambda"


def title(trial: TrialView, view: StudyView) -> str:
    """The swept values of a trial: "lambda = 100"."""
    return told(trial, list(view.axes))


def told(trial: TrialView, keys: list[str]) -> str:
    """These values of a trial: "lambda = 100, latent = 20"; its number where it has none of them."""
    return ", ".join(f"{short(key)} = {number(trial.params[key])}" for key in keys if key in trial.params) or (
        f"trial {trial.number}"
    )


def short(name: str) -> str:
    """The last part of a dotted name."""
    return name.rpartition(".")[2]


def number(value: object) -> str:
    """A value in few letters: floats with 5 digits, all else as it is."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def count(n: int, what: str) -> str:
    """ "1 trial", "2 trials"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def folder_of(trial: TrialView) -> Path:
    """Where the trial's files lie; of a trial with several seeds, those of the first."""
    return trial.runs[0].directory if trial.runs else trial.directory


def verdict_name(trial: TrialView) -> str:
    """What happened to the trial's latents, without numbers; empty where nothing was judged."""
    return (run_folder.read_tag(folder_of(trial), "verdict") or "").partition(" (")[0]


def verdicts(view: StudyView) -> list[str]:
    """One sentence per finished trial: what it was, and what happened to its latents, with the numbers."""
    lines = []
    for trial in view.trials:
        if trial.state == "complete" and (said := run_folder.read_tag(folder_of(trial), "why")):
            lines.append(f"{title(trial, view)}{which_seed(trial)}: {said}")
    return lines


def which_seed(trial: TrialView) -> str:
    """Of a trial with several seeds, which of its runs is shown or judged: " (the first of 3 seeds)"."""
    return f" (the first of {len(trial.runs)} seeds)" if len(trial.runs) > 1 else ""


def finished(view: StudyView) -> list[TrialView]:
    """The trials that have a value."""
    return [trial for trial in view.trials if trial.state == "complete" and trial.values]


def best(view: StudyView) -> TrialView | None:
    """The trial with the best value; None with several objectives, or if none has finished."""
    done = finished(view)
    if len(view.directions) > 1 or not done:
        return None
    sign = -1 if view.directions[0] == "maximize" else 1
    return min(done, key=lambda trial: sign * trial.values[0])


def objectives(view: StudyView) -> list[str]:
    """What each value of a trial is called."""
    named = view.config.get("objective")
    names = [named] if isinstance(named, str) else [str(name) for name in named or []]
    if len(names) == len(view.directions):
        return names
    return ["value"] if len(view.directions) == 1 else [f"value {place}" for place in range(len(view.directions))]


def command(words: list[str]) -> str:
    """A command line to be copied: the interpreter by its name, not by where it lay."""
    if not words:
        return ""
    program = Path(words[0]).name
    return shlex.join(["python" if program.startswith("python") else words[0], *words[1:]])


def evenly(trials: list[TrialView], most: int) -> list[TrialView]:
    """At most `most` of them, the first and the last among them."""
    if len(trials) <= most:
        return trials
    return [trials[round(place * (len(trials) - 1) / (most - 1))] for place in range(most)]
