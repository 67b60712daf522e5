"""What the user sees while a sweep runs: a table that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from hwsweep.files import without_passwords
from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import Outcome, pauses
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.study.trial_attributes import PROMOTED
from hwsweep.sweep.table import plain_console


class LiveDisplay:
    """The running trials, their reports, the best value so far, the time left."""

    def __init__(self, study: OpenStudy) -> None:
        self.study = study
        self.n_runs = study.plan.total * study.runs_per_trial
        self.n_ended_before = self.n_ended = study.store.counts().finished * study.runs_per_trial
        self.n_failed = study.store.counts().failed
        self.paused = set(study.store.paused())
        self.best = study.plan.best(study.store.values())
        self.start = time.monotonic()
        self.rows: dict[str, list[str]] = {}
        """Folder, overrides, step and value of each running job."""
        self.starts: dict[str, float] = {}
        self.screen: Any = None
        self.is_held = False

    def __enter__(self) -> LiveDisplay:
        if sys.stdout.isatty():
            from rich.live import Live

            self.screen = Live(
                get_renderable=self._table, console=plain_console(), refresh_per_second=4, transient=True
            )
            self.screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.screen is not None:
            self.screen.stop()

    def show_start(self, job: Job) -> None:
        """Show a run that begins."""
        lines = [line for line in job.overrides if line not in self.study.plan.space.fixed]
        overrides = without_passwords(re.sub(r"\\(\W)", r"\1", " ".join(lines)))  # without the escapes for Hydra
        self.rows[job.folder] = [job.folder, overrides, "", ""]
        self.starts[job.folder] = time.monotonic()
        if self.study.proposals.paused_trials is not None:
            self.paused.discard(job.trial)
            if pauses(Path(job.directory)):
                overrides += f" (promoted at step {self.study.store.trial(job.trial).user_attrs.get(PROMOTED)})"
        if self.screen is None:
            print(f"trial {job.folder}: {overrides}", flush=True)

    def show_report(self, job: Job, value: float, step: int) -> None:
        """Show an intermediate value of a run."""
        self.rows[job.folder][2:] = [str(step), f"{value:.6g}"]

    def show_end(self, job: Job, outcome: Outcome) -> None:
        """Show how a run ended; the trial itself is not in the storage yet."""
        self.rows.pop(job.folder, None)
        paused_trials = self.study.proposals.paused_trials
        if paused_trials is not None and outcome.state == "pruned" and (rung := paused_trials.rung(job.trial)):
            self.paused = {*(self.study.store.paused() if self.study.settings.join else self.paused), job.trial}
            self._print(f"trial {job.folder}: paused at step {rung} ({outcome.seconds:.1f} s)")
            return
        self.n_ended += 1
        self.n_failed += outcome.state == "failed"
        counts_as_best = outcome.state == "complete" and is_feasible(outcome.constraints)
        values = outcome.values if counts_as_best else []
        if self.study.settings.constraints:  # they are known once the trial has ended
            values = self.study.store.values()
        if self.study.settings.join:  # other processes end trials too
            counts = self.study.store.counts()
            self.n_ended = max(self.n_ended, counts.finished * self.study.runs_per_trial + 1)
            self.n_failed = max(self.n_failed, counts.failed)
            values = [*values, *self.study.store.values()]
        self.best = self.study.plan.best(values if self.best is None else [self.best, *values])
        result = ", ".join(f"{value:.6g}" for value in outcome.values) or outcome.state
        if outcome.failure is not None:
            result = f"failed ({outcome.failure.reason}): {outcome.failure.message}"
        self._print(f"trial {job.folder}: {result} ({outcome.seconds:.1f} s)")

    def show_refusal(self, number: int, point: Point, message: str) -> None:
        """Show a trial that does not run, because the program refuses its point."""
        values = " ".join(f"{key}={value}" for key, value in point.items())
        self._print(f"trial {number}: refused: {values}: {message}")

    def show_stop(self, number: int) -> None:
        """Show that a user ends a trial."""
        self._print(f"trial {number}: stops, as a user asks")

    def show_held(self, is_held: bool) -> None:
        """Show, once, that the sweep waits because a user lets no trial start."""
        if is_held and not self.is_held:
            name = self.study.store.name
            self._print(f"paused: no trial starts until `python -m hwsweep.study {name} resume`")
        self.is_held = is_held

    def status(self) -> str:
        """Progress in words: "12 of 40, 1 failed, best 105.3, 4 min left"."""
        line = f"{self.n_ended} of {self.n_runs}, {self.n_failed} failed"
        if self.paused:
            line += f", {len(self.paused)} paused"
        if self.best is not None:
            line += f", best {self.best:.6g}"
        if self.n_ended > self.n_ended_before:
            seconds_per_run = (time.monotonic() - self.start) / (self.n_ended - self.n_ended_before + len(self.paused))
            seconds = seconds_per_run * max(0, self.n_runs - self.n_ended - len(self.paused))
            line += f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
        return line

    def _print(self, line: str) -> None:
        line = without_passwords(line)
        if self.screen is None:
            print(line, flush=True)
        else:
            self.screen.console.print(line)

    def _table(self) -> Any:
        """One line per running trial, and the status."""
        from rich.table import Table

        table = Table(box=None, header_style="bold")
        for title in ("trial", "overrides", "step", "reported", "seconds"):
            table.add_column(title)
        for folder, cells in list(self.rows.items()):
            table.add_row(*cells, f"{time.monotonic() - self.starts[folder]:.0f}")
        table.add_row("", self.status(), "", "", "")
        return table
