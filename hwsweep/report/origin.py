"""How to reproduce a study: its command, its changes from the defaults, and the environment of its runs."""

from __future__ import annotations

from collections import defaultdict

from hwsweep import run_folder
from hwsweep.report.html.page import Cell, Section, Table
from hwsweep.report.naming import command_line
from hwsweep.sweep.study.stored_view import changes, refused
from hwsweep.sweep.study.view import StudyView

NAMES = {"digest": "SHA-256 of the data", "hwsweep.git_commit": "commit", "train": "training examples"}
OMITTED = {"hwsweep.command"}
MAX_VALUES = 4
"""Different values of one property that a cell lists."""
MAX_TRIALS = 8
"""Trials that a cell lists for one value."""


def reproduce_section(view: StudyView) -> Section:
    """The section with the command, the changed keys, and the versions, commit, data and seeds of the runs."""
    sentences = [
        "The command continues the study if it was interrupted, and begins a new one otherwise. "
        "The folder conf/ beside this page holds the configuration as it was at launch."
    ]
    tables, rows = [], environment_rows(view)
    try:
        if changed := changes(view):
            cells = [[Cell(key), Cell(old), Cell(new)] for key, old, new in changed]
            tables.append(Table("Changes from the default configuration", ["key", "default", "this study"], cells))
    except Exception as error:  # the copy of conf/ is damaged or of another version; show the rest
        sentences.append(f"The changes from the defaults could not be read: {type(error).__name__}: {error}")
    if rows:
        tables.append(Table("Versions, data and seeds of the runs", ["property", "value"], rows))
    else:
        sentences.append("No run stored its versions and data.")
    if points := refused(view.directory):
        sentences.append(f"{len(points)} points of the grid were refused before the sweep; the first: {points[0][1]}")
    return Section("How to reproduce", sentences, command_line(view.command), tables)


def environment_rows(view: StudyView) -> list[list[Cell]]:
    """A row per property that the runs stored; where runs differ, each value with its trials."""
    properties: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for trial in view.trials:
        for run in trial.runs:
            for key, value in run_folder.read_origin(run.directory).items():
                properties[key][str(value)].append(trial.number)
    return [
        [Cell(NAMES.get(key, key.removeprefix("version.").removeprefix("hwsweep."))), Cell(_value(trials_by_value))]
        for key, trials_by_value in properties.items()
        if key not in OMITTED
    ]


def _value(trials_by_value: dict[str, list[int]]) -> str:
    if len(trials_by_value) == 1:
        return next(iter(trials_by_value))
    texts = []
    for value, numbers in trials_by_value.items():
        trials = [str(number) for number in sorted(set(numbers))]
        texts.append(f"{value} (trials {', '.join(trials[:MAX_TRIALS])}{', ...' * (len(trials) > MAX_TRIALS)})")
    n_more = len(texts) - MAX_VALUES
    return "; ".join(texts[:MAX_VALUES]) + f"; and {n_more} more" * (n_more > 0)
