"""What the user sees while a sweep runs: a table that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.outcome import Outcome
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.study.trial_store import Book


class Live:
    """The running trials, what they reported, the best value so far, the time left.

    Args:
        shared: other processes end trials of the study too.
    """

    def __init__(self, book: Book, runs_per_trial: int, shared: bool) -> None:
        self.book = book
        self.runs_per_trial = runs_per_trial
        self.shared = shared
        self.before = self.done = book.done() * runs_per_trial
        self.total = book.plan.total * runs_per_trial
        self.failures = book.n_failed
        self.began = time.monotonic()
        self.running: dict[str, list[str]] = {}
        self.since: dict[str, float] = {}
        self.best = book.best()
        self.screen: Any = None

    def __enter__(self) -> Live:
        if sys.stdout.isatty():
            from rich.live import Live as Screen

            self.screen = Screen(get_renderable=self._draw, refresh_per_second=4, transient=True)
            self.screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.screen is not None:
            self.screen.stop()

    def started(self, job: Job) -> None:
        """A run began."""
        shown = " ".join(line for line in job.overrides if line not in self.book.plan.space.fixed)
        self.running[job.folder] = [job.folder, shown, "", ""]
        self.since[job.folder] = time.monotonic()
        if self.screen is None:
            print(f"trial {job.folder}: {shown}", flush=True)

    def reported(self, job: Job, value: float, step: int) -> None:
        """A run told an intermediate value."""
        self.running[job.folder][2:] = [str(step), f"{value:.6g}"]

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A run has its outcome."""
        self.running.pop(job.folder, None)
        self.done += 1
        self.failures += outcome.state == "failed"
        bests = [self.best, *(outcome.values if outcome.state == "complete" else [])]
        if self.shared:  # this run is not in the book yet
            self.done = max(self.done, self.book.done() * self.runs_per_trial + 1)
            self.failures = max(self.failures, self.book.n_failed)
            bests.append(self.book.best())
        self.best = self.book.plan.best(value for value in bests if value is not None)
        told = ", ".join(f"{value:.6g}" for value in outcome.values)
        if outcome.failure is not None:
            told = f"failed ({outcome.failure.reason}): {outcome.failure.message}"
        self._say(f"trial {job.folder}: {told or outcome.state} ({outcome.seconds:.1f} s)")

    def refused(self, number: int, point: Point, why: str) -> None:
        """A trial was not run, because its point cannot be."""
        shown = " ".join(f"{key}={value}" for key, value in point.items())
        self._say(f"trial {number}: refused: {shown}: {why}")

    def _say(self, line: str) -> None:
        if self.screen is None:
            print(line, flush=True)
        else:
            self.screen.console.print(line, markup=False, highlight=False)

    def _draw(self) -> Any:
        """The screen: one line per running trial, one line for the study."""
        from rich.table import Table

        table = Table(box=None, header_style="bold")
        for title in ("trial", "overrides", "step", "reported", "seconds"):
            table.add_column(title)
        for folder, cells in list(self.running.items()):
            table.add_row(*cells, f"{time.monotonic() - self.since[folder]:.0f}")
        table.add_row("", self._line(), "", "", "")
        return table

    def _line(self) -> str:
        """Progress in words: "12 of 40, 1 failed, best 105.3, 4 min left"."""
        line = f"{self.done} of {self.total}, {self.failures} failed"
        if self.best is not None:
            line += f", best {self.best:.6g}"
        if self.done > self.before:
            a_run = (time.monotonic() - self.began) / (self.done - self.before)
            left = a_run * max(0, self.total - self.done)
            line += f", {left / 60:.0f} min left" if left > 90 else f", {left:.0f} s left"
        return line
