"""What a run shows while it trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator

from hwsweep.training.loop import Row

log = logging.getLogger("hwsweep")


def shown(rows: Iterable[Row], epochs: int, objective: str) -> Iterator[Row]:
    """The rows, each shown as it passes."""
    if not sys.stderr.isatty():
        for row in rows:
            log.info(_line(row, epochs, objective))
            yield row
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        "epoch",
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=epochs)
        for row in rows:
            progress.update(task, completed=row["epoch"], description=_numbers(row, objective))
            yield row


def _line(row: Row, epochs: int, objective: str) -> str:
    return f"epoch {row['epoch']:.0f}/{epochs}  {_numbers(row, objective)}"


def _numbers(row: Row, objective: str) -> str:
    return (
        f"train/loss {row['train/loss']:.2f}  {objective} {row[objective]:.2f}  "
        f"{row['time/train_seconds']:.1f} s  {row['time/examples_per_second']:,.0f} examples/s"
    )
