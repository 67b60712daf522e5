"""How to make a study again: what its configuration changes, and with what its runs were made."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.naming import command, folder_of
from hwsweep.report.page import Cell, Section, Table
from hwsweep.sweep.study.stored_view import changes, refused

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView

VERSION, OWN = "version.", "hwsweep."
WORDS = {"digest": "SHA-256 of the data", "hwsweep.git_commit": "commit", "train": "training examples"}
LEFT_OUT = {"hwsweep.command"}
MOST_VALUES = 4


def reproduce_section(view: StudyView) -> Section:
    """The command, the changes from the defaults, and versions, commit, data and seeds of the runs."""
    tables = []
    changed, problem = _changes(view)
    if changed:
        rows = [[Cell(key), Cell(old), Cell(new)] for key, old, new in changed]
        tables.append(Table("What the configuration changes", ["key", "default", "this study"], rows))
    made = _made_of(view)
    if made:
        tables.append(Table("With what the runs were made", ["what", "value"], [[Cell(k), Cell(v)] for k, v in made]))
    return Section("How to reproduce", [*_sentences(view, bool(made)), *problem], command(view.command), tables)


def _changes(view: StudyView) -> tuple[list[tuple[str, str, str]], list[str]]:
    """What the configuration changes, or a sentence on why that is not known."""
    try:
        return changes(view), []
    except Exception as error:  # a copy of conf/ that is damaged, or of another version; the rest is worth showing
        return [], [f"What the configuration changes is not known: {type(error).__name__}: {error}"]


def _sentences(view: StudyView, made: bool) -> list[str]:
    lines = [
        "The command continues the study if it was interrupted, and begins a new one otherwise. "
        "The configuration as it was at launch lies in conf/ beside this page."
    ]
    if not made:
        lines.append("No run has noted with what it was made.")
    if left_out := refused(view.directory):
        lines.append(
            f"{len(left_out)} points of the grid were refused before the sweep, the first one: {left_out[0][1]}"
        )
    return lines


def _made_of(view: StudyView) -> list[tuple[str, str]]:
    """(what, value) in which the runs agree, and where they do not, each value with its trials."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for trial in view.trials:
        for folder in [run.directory for run in trial.runs] or [folder_of(trial)]:
            for key, value in run_folder.read_origin(folder).items():
                found[key][str(value)].append(trial.number)
    return [
        (WORDS.get(key, key.removeprefix(VERSION).removeprefix(OWN)), _agreed(values))
        for key, values in found.items()
        if key not in LEFT_OUT
    ]


def _agreed(values: dict[str, list[int]]) -> str:
    if len(values) == 1:
        return next(iter(values))
    told = [
        f"{value} (trials {', '.join(map(str, sorted(set(trials))[:8]))}{', ...' * (len(set(trials)) > 8)})"
        for value, trials in values.items()
    ]
    return "; ".join(told[:MOST_VALUES]) + (f"; and {len(told) - MOST_VALUES} more" if len(told) > MOST_VALUES else "")
