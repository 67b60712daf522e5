"""What a study ends with beside its page: a table on the terminal and the study's own MLflow run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hwsweep import run_folder
from hwsweep.report.naming import command, finished, number, short, title, verdict_name
from hwsweep.tracking import runs

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView, TrialView


MOST_LINES = 200
"""Trials that the terminal shows one by one; results.csv and the page have them all."""
MOST_NAMED = 12
"""Verdicts by name alone, in the first lines of the note."""
MOST_SENTENCES = 20
"""Verdicts of single trials that are printed and stand in MLflow's note, which has room for 8,000 characters."""


def show_table(view: StudyView, console: Console) -> None:
    """One line per trial: swept values, the metrics that conf's `table` names, verdict, seconds, run id or failure.

    Of a long study the best trials, by number, and a line that says so.
    """
    metrics = list(view.config.table)
    table = Table(title=f"study {view.name}", title_justify="left", box=SIMPLE_HEAD)
    for name in [*map(short, view.axes), *(name.removeprefix("test/") for name in metrics), "verdict", "seconds"]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("run id", overflow="fold")
    decimals = {name: _decimals(view, name) for name in metrics}
    for trial in shown(view):
        numbers = [f"{trial.metrics[name]:.{decimals[name]}f}" if name in trial.metrics else "-" for name in metrics]
        seconds = "-" if trial.seconds is None else f"{trial.seconds:.1f}"
        values = [number(trial.params.get(name, "-")) for name in view.axes]
        table.add_row(*values, *numbers, verdict_name(trial) or "-", seconds, _outcome(trial))
    console.print(table)
    if len(view.trials) > MOST_LINES:
        kind = "best" if len(view.directions) == 1 else "latest"
        console.print(
            f"of {len(view.trials)} trials the {kind} {MOST_LINES}; all are on the page and in results.csv",
            highlight=False,
        )


def shown(view: StudyView) -> list[TrialView]:
    """The trials of the terminal's table; of more than `MOST_LINES` the best, or with several objectives the latest."""
    if len(view.trials) <= MOST_LINES:
        return view.trials
    if len(view.directions) > 1:
        return view.trials[-MOST_LINES:]
    sign = -1 if view.directions[0] == "maximize" else 1
    best = sorted(finished(view), key=lambda trial: sign * trial.values[0])[:MOST_LINES]
    return sorted(best, key=lambda trial: trial.number)


def sentences(said: Sequence[str]) -> list[str]:
    """The first verdicts, and how many more there are."""
    more = len(said) - MOST_SENTENCES
    return [*said[:MOST_SENTENCES], *([f"and {more} more; the page and results.csv have them"] if more > 0 else [])]


def log_study(view: StudyView, store: runs.Store, files: Sequence[Path], said: Sequence[str]) -> None:
    """The study's own run in its MLflow experiment: the files, counts of trials, and a note on how to read it."""
    states = Counter(trial.state for trial in view.trials)
    note = (
        f"**Study {view.name}**: {', '.join(f'{n} {state}' for state, n in states.items())}; "
        f"swept: {', '.join(f'`{axis}`' for axis in view.axes)}.\n\n"
        + f"{'; '.join(_named(view))}\n\n"  # first: MLflow folds a note after a few lines
        + "".join(f"* {line}\n" for line in sentences(said))
        + f"\n    {command(view.command)}\n\n"
        "Select the trials in the table and press *Compare* for their curves side by side. "
        "The page of the study is the artifact `report.html`."
    )
    tags = {"hwsweep.role": "study", "hwsweep.study": view.name, "mlflow.note.content": note}
    with runs.open_run(store, view.name, "study", {}, tags, run_folder.run_id(view.directory)) as run:
        run_folder.write_result(view.directory, run.id, {}, {})
        run.metrics({f"trials/{state}": float(n) for state, n in states.items()}, step=0)
        for file in files:
            run.artifact(file)


def _named(view: StudyView) -> list[str]:
    """ "lambda = 100: collapsed" of the first finished trials."""
    judged = [trial for trial in finished(view) if verdict_name(trial)]
    return [f"{title(trial, view)}: {verdict_name(trial)}" for trial in judged[:MOST_NAMED]]


def _decimals(view: StudyView, metric: str) -> int:
    """Two for nats, four for what never exceeds 1, as accuracies."""
    return 2 if any(abs(trial.metrics.get(metric, 0)) > 1 for trial in view.trials) else 4


def _outcome(trial: TrialView) -> str:
    if trial.state == "complete":
        return trial.run_id or ""
    if trial.failure is None:
        return trial.state
    return f"{trial.failure['reason']}: {trial.failure['message']}"
