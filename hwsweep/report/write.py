"""The files of a study's report: report.html, results.csv, trust.csv and the figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

from hwsweep.files import without_passwords, write_text
from hwsweep.report.gather import gather
from hwsweep.report.html.render import render
from hwsweep.report.model_study import model_study
from hwsweep.report.naming import command_line, verdict_sentence
from hwsweep.report.study_figures import StudyFigures
from hwsweep.report.trust.numbers import Number
from hwsweep.report.trust.numbers import columns as trust_columns
from hwsweep.report.trust.numbers import numbers as trust_numbers
from hwsweep.sweep.study.view import StudyView

PAGE, TABLE, TRUST = "report.html", "results.csv", "trust.csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet executes."""


class ReportFiles(NamedTuple):
    """The files of a report, and the problems with its figures."""

    page: Path
    table: Path
    figures: list[Path]
    problems: list[str]
    """Figures that could not be drawn, with the error."""


def write_report(view: StudyView, processes: Executor | None = None) -> ReportFiles:
    """Write the files of this study into its folder.

    Args:
        processes: draw the figures; None draws them in this process.
    """
    table = write_text(view.directory / TABLE, without_passwords(results_csv(view)))
    model = model_study(view)
    figures = StudyFigures(view, model, processes)
    if text := trust_csv(view):
        write_text(view.directory / TRUST, without_passwords(text))
    page = write_text(view.directory / PAGE, without_passwords(render(gather(view, model, figures))))
    return ReportFiles(page, table, [figure.path for figure in figures.figures], figures.problems)


def results_csv(view: StudyView) -> str:
    """The table of `results` as CSV."""
    columns, rows = results(view)
    for row in rows:
        row["seconds"] = f"{row['seconds']:.3f}"
    return _csv(columns, ([row.get(column) for column in columns] for row in rows))


def trust_csv(view: StudyView) -> str:
    """The numbers of the section "How far to trust the search" as CSV; empty where the page has no such section."""
    rows = list(trust_numbers(view))
    return _csv(Number._fields, rows) if rows else ""


def _csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(_cell, row) for row in (columns, *rows))
    return text.getvalue()


def results(view: StudyView) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns and one row per trial: swept values, objectives, metrics, verdict, state, the command that repeats it."""
    names = view.objective_names
    errors = [f"{name} standard error" for name in names] if any(trial.errors for trial in view.trials) else []
    metrics = sorted({key for trial in view.trials for key in trial.metrics} - set(names))
    constraints = list(dict.fromkeys(name for trial in view.trials for name in trial.constraints))
    feasible = ["feasible", *(f"beyond {name}" for name in constraints)] if constraints else []
    rungs = ["paused at step", "promoted at step"] if any(each.pause or each.promotion for each in view.trials) else []
    by_user = ["by a user"] if any(trial.by_user for trial in view.trials) else []
    trust = trust_columns(view)
    trust_names = list(dict.fromkeys(name for row in trust.values() for name in row))
    last = ["seconds", "run_id", "verdict", "reason", "message", "command"]
    rows = [
        {
            **trial.params,
            **trial.metrics,
            **dict(zip(names, trial.values, strict=False)),
            **dict(zip(errors, trial.errors, strict=False)),
            **(trial.failure or {}),
            **trust.get(trial.number, {}),
            **{f"beyond {name}": value for name, value in trial.constraints.items()},
            "feasible": trial.feasibility == "feasible" if trial.constraints else None,
            "trial": trial.number,
            "state": trial.state,
            "by a user": trial.by_user,
            "paused at step": trial.pause,
            "promoted at step": trial.promotion,
            "seconds": trial.seconds,
            "run_id": trial.run_id,
            "verdict": verdict_sentence(trial),
            "command": command_line(trial.command),
        }
        for trial in view.trials
    ]
    about = ["trial", "state", *by_user, *view.axes]
    return [*about, *names, *errors, *feasible, *rungs, *metrics, *trust_names, *last], rows


def _cell(value: object) -> object:
    """The value; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
