"""The table of trials that a study prints on the terminal."""

from __future__ import annotations

from rich.console import Console

from hwsweep.report.naming import number_text, short_name, value_text, verdict
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.table import Column, heading, print_columns

MAX_ROWS = 200


def print_table(view: StudyView, console: Console) -> None:
    """Print one row per trial: swept values, objectives, the metrics of conf's `table`, verdict, seconds, run id.

    A metric that no trial has is left out. A failed trial has its failure in the place of the run id.

    Of a long study the table shows the best trials, by number.
    """
    rows = _rows(view)
    measured = {name for trial in rows for name in trial.metrics}
    metrics = [name for name in view.config.table if name in measured and name not in view.objective_names]
    columns = [
        *(
            Column(short_name(key), [value_text(trial.params.get(key, "-")) for trial in rows], "shorten")
            for key in view.axes
        ),
        *(_objective_column(name, rows, index) for index, name in enumerate(view.objective_names)),
        *(_metric_column(name, rows) for name in metrics),
        Column("verdict", [verdict(trial) or "-" for trial in rows]),
        Column("seconds", [f"{trial.seconds:.1f}" for trial in rows]),
        Column("run id", [_run_id_or_failure(trial) for trial in rows], "fold"),
    ]
    print_columns(console, columns, f"study {view.name}")
    if len(view.trials) > MAX_ROWS:
        kind = "best" if len(view.directions) == 1 else "latest"
        note = f"of {len(view.trials)} trials the {kind} {MAX_ROWS}; the page and results.csv have all trials"
        console.print(note, highlight=False)


def _objective_column(name: str, rows: list[TrialView], index: int) -> Column:
    numbers = _number_texts([trial.values[index] if trial.values else None for trial in rows])
    errors = [f" ± {trial.errors[index]:.2g}" if trial.errors else "" for trial in rows]
    return Column(heading(name), list(map(str.__add__, numbers, errors)))


def _metric_column(name: str, rows: list[TrialView]) -> Column:
    loose = [" (loose)" * bool(trial.metrics.get(f"{name}_loose")) for trial in rows]  # a bound that k could lower
    numbers = _number_texts([trial.metrics.get(name) for trial in rows])
    return Column(heading(name), list(map(str.__add__, numbers, loose)))


def _number_texts(values: list[float | None]) -> list[str]:
    """Numbers with two decimals; with four where none exceeds 1, as of accuracies; a dash for None."""
    decimals = 2 if any(value is not None and abs(value) > 1 for value in values) else 4
    return ["-" if value is None else number_text(value, decimals) for value in values]


def _rows(view: StudyView) -> list[TrialView]:
    """All trials; of too many the best ones, or with several objectives the latest ones."""
    if len(view.trials) <= MAX_ROWS:
        return view.trials
    best = sorted(view.ranked_trials[:MAX_ROWS], key=lambda trial: trial.number)
    return best if len(view.directions) == 1 else view.trials[-MAX_ROWS:]


def _run_id_or_failure(trial: TrialView) -> str:
    if trial.state == "complete":
        return " ".join(filter(None, [trial.run_id, "infeasible" * (trial.feasibility == "infeasible")]))
    return "{reason}: {message}".format(**trial.failure) if trial.failure else trial.state
