"""The tables of a page: trials, what was foretold beside what was measured, a model beside its baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hwsweep.report.naming import best, command, count, finished, number, objectives, short, title, verdict_name
from hwsweep.report.page import Cell, Failed, Table

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView, TrialView

RUN_ID_SHOWN = 8
"""Characters of an MLflow run id; the rest is in its title."""


def trials_table(view: StudyView) -> Table:
    """One row per trial: swept values, objectives, the metrics that conf's `table` names, verdict, state, seconds."""
    metrics = [str(name) for name in view.config.get("table", [])]
    rows = [trial for trial in view.trials if trial.failure is None]
    judged = any(map(verdict_name, rows))
    first = best(view)
    told = any(trial.state != "complete" for trial in rows)
    columns = ["trial", *map(short, view.axes), *objectives(view), *metrics]
    return Table(
        caption=f"{count(len(view.trials), 'trial')}; click a header to sort",
        columns=[*columns, *["verdict"] * judged, *["state"] * told, "seconds", "run"],
        rows=[_row(trial, view, metrics, judged, told) for trial in rows],
        failed=[_failed(trial, view) for trial in view.trials if trial.failure is not None],
        best=rows.index(first) if first in rows and len(rows) > 1 else None,
    )


def predictions_table(view: StudyView) -> Table | None:
    """What a linear VAE would do beside what each run did; None where nothing was foretold."""
    return _pairs(
        view, "predicted", "Foretold for a linear VAE from the training images, and measured on the test split"
    )


def baseline_table(view: StudyView) -> Table | None:
    """Each run beside the baseline on the same test split; None without one."""
    return _pairs(view, "baseline", "The baseline and the model on the test split")


def plain(value: float | None) -> Cell:
    """A number in few digits, all of them in its title; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Cell("–" if value is None else str(value), math.inf)
    digits = 0 if value == int(value) else 2 if abs(value) >= 100 else 3 if abs(value) >= 1 else 4
    return Cell(f"{value:.{digits}f}", value, repr(value))


def _row(trial: TrialView, view: StudyView, metrics: list[str], judged: bool, told: bool) -> list[Cell]:
    values = [plain(value) for value in trial.values] or [plain(None)] * len(view.directions)
    if trial.errors:
        values = [
            Cell(f"{cell.text} ± {error:.2g}", cell.number, cell.title)
            for cell, error in zip(values, trial.errors, strict=True)
        ]
    run_id = trial.run_id or ""
    return [
        *_leading(trial, view),
        *values,
        *(plain(trial.metrics.get(name)) for name in metrics),
        *[Cell(verdict_name(trial) or "–")] * judged,
        *[Cell(trial.state)] * told,
        Cell(f"{trial.seconds:.1f}", trial.seconds),
        Cell(run_id[:RUN_ID_SHOWN], title=run_id),
    ]


def _leading(trial: TrialView, view: StudyView) -> list[Cell]:
    """Its number and the swept values."""
    cells = [Cell(str(trial.number), trial.number)]
    for name in view.axes:
        value = trial.params.get(name, "–")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        cells.append(Cell(number(value), float(value) if is_number else None))
    return cells


def _failed(trial: TrialView, view: StudyView) -> Failed:
    failure = trial.failure or {}
    reason, message = failure.get("reason", "error"), failure.get("message", "")
    return Failed(_leading(trial, view), reason, message, command(trial.command))


def _pairs(view: StudyView, prefix: str, caption: str) -> Table | None:
    """The metrics that runs have both under `prefix` and under `test`, side by side."""
    trials = finished(view)
    shared = [
        key.partition("/")[2]
        for key in dict.fromkeys(key for trial in trials for key in trial.metrics)
        if key.startswith(f"{prefix}/") and any(f"test/{key.partition('/')[2]}" in t.metrics for t in trials)
    ]
    if not shared:
        return None
    rows = [
        [
            Cell(title(trial, view)),
            *(plain(trial.metrics.get(f"{kind}/{name}")) for name in shared for kind in (prefix, "test")),
        ]
        for trial in trials
    ]
    return Table(caption, ["trial", *(f"{name}, {kind}" for name in shared for kind in (prefix, "measured"))], rows)
