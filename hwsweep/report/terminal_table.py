"""The table of trials that a study prints on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hwsweep.report.naming import short_name, value_text, verdict
from hwsweep.sweep.study.view import StudyView, TrialView

MAX_ROWS = 200


def print_table(view: StudyView, console: Console) -> None:
    """Print one row per trial: swept values, the metrics of conf's `table`, verdict, seconds, run id or failure.

    Of a long study the table shows the best trials, by number.
    """
    metrics = list(view.config.table)
    table = Table(title=f"study {view.name}", title_justify="left", box=SIMPLE_HEAD)
    for name in [*map(short_name, view.axes), *(name.removeprefix("test/") for name in metrics), "verdict", "seconds"]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("run id", overflow="fold")
    decimals = {name: _decimals(view, name) for name in metrics}
    for trial in _rows(view):
        numbers = [f"{trial.metrics[name]:.{decimals[name]}f}" if name in trial.metrics else "-" for name in metrics]
        values = [value_text(trial.params.get(key, "-")) for key in view.axes]
        table.add_row(*values, *numbers, verdict(trial) or "-", f"{trial.seconds:.1f}", _run_id_or_failure(trial))
    console.print(table)
    if len(view.trials) > MAX_ROWS:
        kind = "best" if len(view.directions) == 1 else "latest"
        note = f"of {len(view.trials)} trials the {kind} {MAX_ROWS}; the page and results.csv have all trials"
        console.print(note, highlight=False)


def _rows(view: StudyView) -> list[TrialView]:
    """All trials; of too many the best ones, or with several objectives the latest ones."""
    if len(view.trials) <= MAX_ROWS:
        return view.trials
    best = sorted(view.ranked_trials[:MAX_ROWS], key=lambda trial: trial.number)
    return best if len(view.directions) == 1 else view.trials[-MAX_ROWS:]


def _decimals(view: StudyView, metric: str) -> int:
    """Two; four for a metric that never exceeds 1, such as accuracy."""
    return 2 if any(abs(trial.metrics.get(metric, 0)) > 1 for trial in view.trials) else 4


def _run_id_or_failure(trial: TrialView) -> str:
    if trial.state == "complete":
        return trial.run_id or ""
    return "{reason}: {message}".format(**trial.failure) if trial.failure else trial.state
