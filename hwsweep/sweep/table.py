"""The table that a sweep prints at its end, for programs that bring no observer of their own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from hwsweep.files import without_passwords
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from rich.console import Console

MAX_ROWS = 200
KEY_WIDTH = 6
"""Characters of a swept key's column; where the terminal has less, the last keys are left out."""
FOLDED_WIDTH = 12
"""Characters of a line of a folded cell."""
MARGIN = 2
"""Characters between two columns, and at both ends of a line together."""
WIDTH_OF_FILES = 200
"""Characters of a line that goes to a file or another program."""


class Column(NamedTuple):
    """A column of the table that is printed."""

    title: str
    """In as many lines as it has."""
    cells: list[str]
    too_wide: Literal["keep", "shorten", "fold"] = "keep"
    """What happens to it on a narrow terminal: the keys are shortened, or left out and named below the table."""


class Table:
    """The observer of a sweep that has no other."""

    def started(self, view: StudyView) -> None:
        pass  # the engine's first line has announced the sweep

    def finished(self, view: StudyView) -> None:
        print_table(view)


def plain_console() -> Console:
    """A console that shows what it is given: no bracket and no colon of a user's text is markup."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_table(view: StudyView) -> None:
    """Print one line per trial, the latest ones if they are many, and for each failed one the command to repeat it."""
    console = plain_console()
    latest = view.trials[-MAX_ROWS:]
    keys = dict.fromkeys(key for trial in view.trials for key in trial.params)
    columns = [
        Column("trial", [str(trial.number) for trial in latest]),
        *(Column(key, [_cell(trial.params.get(key, "")) for trial in latest], "shorten") for key in keys),
        Column(", ".join(map(heading, view.objective_names)), [_values(trial) for trial in latest]),
        Column("state", [_state(trial) for trial in latest]),
        Column("seconds", [f"{trial.seconds:.1f}" for trial in latest]),
    ]
    print_columns(console, columns)
    if len(latest) < len(view.trials):
        console.print(f"the latest {len(latest)} of {len(view.trials)} trials; the study's journal has them all")
    for trial in latest:
        if trial.failure:
            console.print(f"trial {trial.number}: {trial.failure['message']}", soft_wrap=True)
            if trial.command:
                console.print(f"  again: {shlex.join(trial.command)}", soft_wrap=True)
    print(view.directory, flush=True)


def heading(name: str) -> str:
    """The name of a metric in two lines, "valid/" and "neg_elbo": a column is as wide as its numbers."""
    return name.replace("/", "/\n")


def print_columns(console: Console, columns: Sequence[Column], title: str | None = None) -> None:
    """Print the columns within the console's width."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    widths = _widths(columns, console.width)
    printed = [(column, width) for column, width in zip(columns, widths, strict=True) if width]
    heading = None if title is None else Text(title)
    table = RichTable(title=heading, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column, width in printed:
        is_folded = column.too_wide == "fold"
        table.add_column(
            Text("\n".join(_cut(line, width) for line in column.title.splitlines())),
            justify="left" if is_folded else "right",
            no_wrap=not is_folded,
            overflow="fold",
            width=width,
        )
    for row in zip(*(column.cells for column, _ in printed), strict=True):
        pairs = zip(map(without_passwords, row), printed, strict=True)
        table.add_row(
            *(Text(cell if column.too_wide == "fold" else _cut(cell, width)) for cell, (column, width) in pairs)
        )
    console.print(table)
    if missing := [column.title.replace("\n", "") for column, width in zip(columns, widths, strict=True) if not width]:
        console.print(Text(f"no place for {', '.join(missing)}"), soft_wrap=True)


def _widths(columns: Sequence[Column], available: int) -> list[int]:
    """The width of each column; 0: it has no place. The widest key becomes narrower first."""
    from rich.cells import cell_len

    natural = [max(map(cell_len, [*column.title.splitlines(), *column.cells])) for column in columns]
    is_folded = [column.too_wide == "fold" for column in columns]
    widths = [min(width, FOLDED_WIDTH) if folded else width for width, folded in zip(natural, is_folded, strict=True)]
    keys = [index for index, column in enumerate(columns) if column.too_wide == "shorten"]

    def room() -> int:
        return available - sum(width + MARGIN for width in widths if width)

    while room() < 0 and any(widths[index] for index in keys):
        widest = max(keys, key=lambda index: widths[index])
        if widths[widest] > KEY_WIDTH:
            widths[widest] -= 1
        else:
            widths[max(index for index in keys if widths[index])] = 0
    for index in range(len(columns)):
        if is_folded[index]:
            widths[index] = min(natural[index], widths[index] + max(0, room()))
    return widths


def _cut(text: str, width: int) -> str:
    """The text in one line of at most this width; what is left out of its middle is an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    line = " ".join(text.split())
    if cell_len(line) <= width:
        return line
    head = width // 3
    return f"{set_cell_size(line, head)}…{line[head + 1 - width :]}"


def _state(trial: TrialView) -> str:
    if trial.failure:
        return trial.failure["reason"]
    return "infeasible" if trial.state == "complete" and trial.feasibility == "infeasible" else trial.state


def _cell(value: object) -> str:
    """A swept value; floats have at most six digits, the command that repeats a trial has all."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _values(trial: TrialView) -> str:
    """The trial's values, each with its standard error if there is one."""
    errors = [f" ± {error:.2g}" for error in trial.errors] or [""] * len(trial.values)
    return ", ".join(f"{value:.6g}{error}" for value, error in zip(trial.values, errors, strict=True))
