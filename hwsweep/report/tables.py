"""The tables of the page: the trials, and their metrics beside a prediction or a baseline."""

from __future__ import annotations

import math
from dataclasses import replace

from hwsweep.report.html.page import Cell, Failed, Table
from hwsweep.report.naming import command_line, count, number_text, short_name, trial_title, value_text, verdict
from hwsweep.sweep.study.view import StudyView, TrialView

RUN_ID_LENGTH = 8
"""Characters of an MLflow run id in a cell; the cell's title has all."""


def trials_table(view: StudyView) -> Table:
    """One row per trial: swept values, objectives, the metrics that conf's `table` names, verdict, state, seconds."""
    metrics = [str(name) for name in view.config.get("table", [])]
    trials = [trial for trial in view.trials if trial.failure is None]
    optional = {"verdict": any(map(verdict, trials)), "state": any(trial.state != "complete" for trial in trials)}
    extra = [name for name, needed in optional.items() if needed]
    best = view.best_trial
    return Table(
        caption=f"{count(len(view.trials), 'trial')}; click a header to sort",
        columns=["trial", *map(short_name, view.axes), *view.objective_names, *metrics, *extra, "seconds", "run"],
        rows=[_row(trial, view, metrics, extra) for trial in trials],
        failed=[_failed(trial, view) for trial in view.trials if trial.failure is not None],
        best=trials.index(best) if best in trials and len(trials) > 1 else None,
    )


def pairs_table(view: StudyView, prefix: str, caption: str) -> list[Table]:
    """The metrics that runs have under `prefix` and on the test split, side by side; no table if there are none.

    `prefix/test_name` stands between `prefix/name` and `test/name` where runs have it.
    """
    trials = view.complete_trials
    keys = dict.fromkeys(key for trial in trials for key in trial.metrics)
    names = [name for key in keys if key.startswith(f"{prefix}/") and f"test/{(name := key.partition('/')[2])}" in keys]
    columns = {
        key: f"{name}, {column}"
        for name in names
        for key, column in (
            (f"{prefix}/{name}", prefix),
            (f"{prefix}/test_{name}", f"{prefix} for the test split"),
            (f"test/{name}", "measured"),
        )
        if key in keys
    }
    rows = [
        [Cell(trial_title(trial, view)), *(number_cell(trial.metrics.get(key)) for key in columns)] for trial in trials
    ]
    return [Table(caption, ["trial", *columns.values()], rows)] if names else []


def number_cell(value: float | None) -> Cell:
    """A number with few digits, all of them in the cell's title; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Cell("–" if value is None else str(value), math.inf)
    digits = 0 if value == int(value) else 2 if abs(value) >= 100 else 3 if abs(value) >= 1 else 4
    return Cell(number_text(value, digits), value, repr(value))


def metric_cell(trial: TrialView, name: str) -> Cell:
    """The trial's metric `name`, with the word "loose" if `name_loose` is set; in the title with its `name_error`."""
    cell = number_cell(trial.metrics.get(name))
    title, text = cell.title, cell.text
    if (error := trial.metrics.get(f"{name}_error")) is not None:
        title += f" ± {error:.2g} (standard error)"
    if trial.metrics.get(f"{name}_loose"):
        text += " (loose)"
    return replace(cell, text=text, title=title)


def _row(trial: TrialView, view: StudyView, metrics: list[str], extra: list[str]) -> list[Cell]:
    values = [number_cell(value) for value in trial.values] or [number_cell(None)] * len(view.directions)
    if trial.errors:
        values = [
            Cell(f"{cell.text} ± {error:.2g}", cell.number, cell.title)
            for cell, error in zip(values, trial.errors, strict=True)
        ]
    run_id = trial.run_id or ""
    texts = {"verdict": verdict(trial) or "–", "state": trial.state}
    return [
        *_leading_cells(trial, view),
        *values,
        *(metric_cell(trial, name) for name in metrics),
        *(Cell(texts[name]) for name in extra),
        Cell(f"{trial.seconds:.1f}", trial.seconds),
        Cell(run_id[:RUN_ID_LENGTH], title=run_id),
    ]


def _leading_cells(trial: TrialView, view: StudyView) -> list[Cell]:
    """The number of the trial and its swept values."""
    cells = [Cell(str(trial.number), trial.number)]
    for key in view.axes:
        value = trial.params.get(key, "–")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        cells.append(Cell(value_text(value), float(value) if is_number else None))
    return cells


def _failed(trial: TrialView, view: StudyView) -> Failed:
    failure = {"reason": "error", "message": "", **(trial.failure or {})}
    return Failed(_leading_cells(trial, view), failure["reason"], failure["message"], command_line(trial.command))
