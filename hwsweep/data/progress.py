"""Progress of a download, of decoding or of reading: a bar on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

SECONDS_BETWEEN_LINES = 10.0

Unit: TypeAlias = Literal["bytes", "images", "texts", "words"]
Advance: TypeAlias = Callable[[int], None]


@contextmanager
def progress(what: str, unit: Unit, total: int | None, done: int) -> Iterator[Advance]:
    """A function that is told how many more units are done; it reports on standard error."""
    with _bar(what, unit, total, done) if sys.stderr.isatty() else _lines(what, unit, total, done) as advance:
        yield advance


@contextmanager
def _bar(what: str, unit: Unit, total: int | None, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    counter = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = ("{task.description}", BarColumn(), counter, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda n: bar.advance(task, n)


@contextmanager
def _lines(what: str, unit: Unit, total: int | None, done: int) -> Iterator[Advance]:
    last = time.monotonic()

    def report() -> None:
        of_total = "" if total is None else f" of {total:,}"
        print(f"{what}: {done:,}{of_total} {unit}", file=sys.stderr, flush=True)

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            report()

    report()
    yield advance
    report()
