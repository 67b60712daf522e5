"""The table that a sweep prints at its end, for programs that bring no observer of their own."""

from __future__ import annotations

import shlex

from hwsweep.sweep.study.view import StudyView, TrialView

MAX_ROWS = 200


class Table:
    """The observer of a sweep that has no other."""

    def started(self, view: StudyView) -> None:
        pass  # the engine's first line has announced the sweep

    def finished(self, view: StudyView) -> None:
        print_table(view)


def print_table(view: StudyView) -> None:
    """Print one line per trial, the latest ones if they are many, and for each failed one the command to repeat it."""
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    keys = list(dict.fromkeys(key for trial in view.trials for key in trial.params))
    table = RichTable(box=None, header_style="bold")
    for title in ("trial", *keys, "value", "state", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    latest = view.trials[-MAX_ROWS:]
    for trial in latest:
        state = trial.failure["reason"] if trial.failure else trial.state
        params = [str(trial.params.get(key, "")) for key in keys]
        table.add_row(str(trial.number), *params, _values(trial), state, f"{trial.seconds:.1f}")
    console.print(table)
    if len(latest) < len(view.trials):
        console.print(f"the latest {len(latest)} of {len(view.trials)} trials; the study's journal has them all")
    for trial in latest:
        if trial.failure:
            console.print(f"trial {trial.number}: {trial.failure['message']}", markup=False, soft_wrap=True)
            console.print(f"  again: {shlex.join(trial.command)}", markup=False, soft_wrap=True)
    print(view.directory, flush=True)


def _values(trial: TrialView) -> str:
    """The trial's values, each with its standard error if there is one."""
    errors = [f" ± {error:.2g}" for error in trial.errors] or [""] * len(trial.values)
    return ", ".join(f"{value:.6g}{error}" for value, error in zip(trial.values, errors, strict=True))
