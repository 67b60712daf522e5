"""Progress on standard error: a bar on a terminal, elsewhere a plain line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, TypeAlias

SECONDS_BETWEEN_LINES = 10.0

Unit: TypeAlias = Literal["bytes", "images", "pixels", "samples", "texts", "words"]
Advance: TypeAlias = Callable[[int], None]


def progress_bar(title: str, unit: Unit, total: int | None, start: int) -> AbstractContextManager[Advance]:
    """A context with a function to call with the number of units finished since its last call.

    Args:
        total: None if unknown.
        start: units that were finished before.
    """
    return (_bar if sys.stderr.isatty() else _lines)(title, unit, total, start)


@contextmanager
def _bar(title: str, unit: Unit, total: int | None, start: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    counter = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = ("{task.description}", BarColumn(), counter, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, markup=False, emoji=False)) as bar:
        task = bar.add_task(title, total=total, completed=start)
        yield lambda n: bar.advance(task, n)


@contextmanager
def _lines(title: str, unit: Unit, total: int | None, start: int) -> Iterator[Advance]:
    count, last = start, time.monotonic()

    def report() -> None:
        of_total = "" if total is None else f" of {total:,}"
        print(f"{title}: {count:,}{of_total} {unit}", file=sys.stderr, flush=True)

    def advance(n: int) -> None:
        nonlocal count, last
        count += n
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            report()

    report()
    yield advance
    report()
