"""Which run is next: of a trial under way, of an interrupted one, of a new one."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from omegaconf import DictConfig

from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.book import Book
from hwsweep.sweep.claims import Claims
from hwsweep.sweep.executor import Executor
from hwsweep.sweep.folder import Folder
from hwsweep.sweep.live import Live
from hwsweep.sweep.plan import Settings
from hwsweep.sweep.refusal import Checker
from hwsweep.sweep.runs import outcome_of, pruned, runs_of
from hwsweep.sweep.sampling import ATTEMPTS
from hwsweep.sweep.space import Point
from hwsweep.sweep.summary import summary
from hwsweep.sweep.worker import Job


class Queue:
    """The trials between the book and the processes."""

    def __init__(
        self, settings: Settings, folder: Folder, book: Book, claims: Claims, config: DictConfig, checker: Checker
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.book = book
        self.claims = claims
        self.config = config
        self.checker = checker
        self.waiting: deque[Job] = deque()
        self.under_way: dict[int, list[Job]] = {}
        """The runs of each trial that has begun and not ended."""

    def next(self, live: Live) -> Job | None:
        """The next run; None if there is none left to start.

        Raises:
            SweepError: a sampler suggests nothing that the program accepts.
        """
        refused = 0
        while not self.waiting:
            if (begun := self.claims.take()) is None:
                return None
            number, point = begun
            if (why := self.checker.refusal(point)) is None:
                self._begin(number, point)
                continue
            self.book.refuse(number, why)
            live.refused(number, point, why)
            if (refused := refused + 1) == ATTEMPTS and self.book.plan.points is None:
                raise SweepError(f"{refused} points in a row were refused, the last one: {why}")
        return self.waiting.popleft()

    def prepare(self, executor: Executor) -> None:
        """Check and compose the next run, as far as it is known, while the slots are busy."""
        if self.waiting:
            executor.prepare(self.waiting[0])
        elif (new := self.book.next_in_line()) is not None and self.checker.refusal(new[1]) is None:
            executor.prepare(self._runs(*new)[0])

    def close_if_done(self, number: int) -> None:
        """End the trial in the book once all its runs have an outcome."""
        if pruned(self.under_way[number][0]):  # the first seed speaks for the others
            self.under_way[number] = [job for job in self.under_way[number] if job not in self.waiting]
            self.waiting = deque(job for job in self.waiting if job.trial != number)
        jobs = self.under_way[number]
        results = [result for job in jobs if (result := outcome_of(job)) is not None]
        if len(results) < len(jobs):
            return
        del self.under_way[number]
        self.claims.finish(number, *summary(results, [outcome.read_result(Path(job.directory)) for job in jobs]))

    def forget(self) -> None:
        """Know of no trial any more: what was under way may be another process's by now."""
        self.waiting.clear()
        self.under_way.clear()

    def _begin(self, number: int, point: Point) -> None:
        """Queue the trial's runs that have no outcome yet; a trial that has them all is only written down."""
        self.under_way[number] = jobs = self._runs(number, point)
        self.waiting.extend(job for job in jobs if outcome_of(job) is None)
        self.close_if_done(number)

    def _runs(self, number: int, point: Point) -> list[Job]:
        return runs_of(number, point, self.book.plan.space, self.settings, self.config, self.folder.path)
