"""The loop of a sweep: a free slot gets the next run, an ended process is settled, nothing waits for anything else."""

from __future__ import annotations

import signal
import sys
from collections import Counter, deque
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hwsweep.sweep import SweepError, outcome, view
from hwsweep.sweep.book import Book
from hwsweep.sweep.executor import Ended, Executor
from hwsweep.sweep.folder import Folder
from hwsweep.sweep.interrupt import Interrupt
from hwsweep.sweep.live import Live
from hwsweep.sweep.plan import Settings, seed_values
from hwsweep.sweep.refusal import Checker
from hwsweep.sweep.runs import outcome_of, pruned, runs_of
from hwsweep.sweep.sampling import ATTEMPTS
from hwsweep.sweep.space import Point
from hwsweep.sweep.summary import lost, summary
from hwsweep.sweep.worker import Job, kill_orphans


class Runner:
    """One sweep that runs."""

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        book: Book,
        config: DictConfig,
        executor: Executor,
        checker: Checker,
        observer: view.Observer,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.book = book
        self.config = config
        self.executor = executor
        self.checker = checker
        self.observer = observer
        self.waiting: deque[Job] = deque()
        self.interrupted: list[int] = []
        self.jobs: dict[int, list[Job]] = {}
        """Trials under way, with their runs."""
        self.deaths: Counter[str] = Counter()
        self.interrupt = Interrupt()
        self.n_failed = book.failed()
        self.hopeless = self._too_many_failed()

    def run(self) -> None:
        """Run to the total, or until the sweep is stopped or hopeless; the observer hears of its end in every case."""
        self._recover()
        with self.interrupt:
            with self.book.discarded_if_unused():
                self.observer.started(view.study_view(self.book, self.folder.path, self.config))
            try:
                with Live(self.book, len(seed_values(self.settings, 0)) or 1) as live:
                    self._loop(live)
            finally:
                self.executor.kill()
                self._finish()
        self._leave()

    def _loop(self, live: Live) -> None:
        """Until nothing runs and nothing is left to start."""
        pool = self.executor
        while True:
            while pool.free and not self._stopping and (job := self._next(live)) is not None:
                Path(job.directory).mkdir(parents=True, exist_ok=True)
                pool.submit(job)
                live.started(job)
            if self._stopping:
                pool.stop()
            if not pool.jobs:
                return
            for ended in pool.wait(lambda job, message: self._answer(live, job, message), seconds=0.5):
                self._settle(ended, live)

    @property
    def _stopping(self) -> bool:
        return self.interrupt.signal is not None or self.hopeless

    def _recover(self) -> None:
        """Bring the book and the folders of an interrupted sweep together again."""
        for number in self.book.unfinished():
            kill_orphans(self.folder.path / str(number))
            self.book.requeue(number)
            self.interrupted.append(number)

    def _next(self, live: Live) -> Job | None:
        """The next run: of a trial under way, of an interrupted one, of a new one."""
        refused = 0
        while not self.waiting:
            if self.interrupted:
                number = self.interrupted.pop(0)
                point = self.book.again(number)
            elif (new := self.book.new()) is not None:
                number, point = new
                if (stranger := self.folder.path / str(number)).exists():
                    raise SweepError(f"{stranger} exists, but the storage knows no such trial; give another study_name")
            else:
                return None
            if (why := self.checker.refusal(point)) is None:
                self._begin(number, point)
                continue
            self.book.refuse(number, why)
            live.refused(number, point, why)
            if (refused := refused + 1) == ATTEMPTS and self.book.plan.points is None:
                raise SweepError(f"{refused} points in a row were refused, the last one: {why}")
        return self.waiting.popleft()

    def _begin(self, number: int, point: Point) -> None:
        """Queue the trial's runs that have no outcome yet; a trial that has them all is only written down."""
        jobs = runs_of(number, point, self.book.plan.space, self.settings, self.config, self.folder.path)
        self.jobs[number] = jobs
        self.waiting.extend(job for job in jobs if outcome_of(job) is None)
        self._close_if_done(number)

    def _answer(self, live: Live, job: Job, message: tuple[Any, ...]) -> bool | None:
        """Serve a message of a running trial. With seeds, the first of them is judged: all points share it."""
        first = self.jobs[job.trial][0]
        if message[0] == "should_prune":
            return self.book.should_prune(job.trial) if job == first else pruned(first)
        _, value, step = message
        live.reported(job, value, step)
        if job == first and len(self.book.plan.directions) == 1:
            self.book.report(job.trial, value, step)
        return None

    def _settle(self, ended: Ended, live: Live) -> None:
        """Take note of a process that is gone: its outcome, or what its end says."""
        job, directory = ended.job, Path(ended.job.directory)
        (directory / "worker.json").unlink(missing_ok=True)
        result = outcome.read_outcome(directory)
        if ended.stopped is not None and result is not None and result.state == "failed":
            (directory / "outcome.json").unlink()  # it failed because it was asked to end
            result = None
        if result is None:
            if ended.stopped == "stop" and self._stopping:
                return
            if ended.stopped is None and self._again(ended):
                self.waiting.appendleft(job)
                return
            result = lost(ended, self.settings.timeout)
            outcome.write_outcome(directory, result)
        live.ended(job, result)
        self._close_if_done(job.trial)

    def _again(self, ended: Ended) -> bool:
        """Whether a run whose process was killed from outside gets another chance."""
        if -ended.exit_code not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            return False
        self.deaths[ended.job.folder] += 1
        return self.deaths[ended.job.folder] <= self.settings.retries

    def _close_if_done(self, number: int) -> None:
        """End the trial in the book once all its runs have an outcome."""
        if pruned(self.jobs[number][0]):
            self.jobs[number] = [job for job in self.jobs[number] if job not in self.waiting]
            self.waiting = deque(job for job in self.waiting if job.trial != number)
        jobs = self.jobs[number]
        results = [result for job in jobs if (result := outcome_of(job)) is not None]
        if len(results) < len(jobs):
            return
        del self.jobs[number]
        state, values, notes = summary(results, [outcome.read_result(Path(job.directory)) for job in jobs])
        self.book.finish(number, state, values, notes)
        self.n_failed += state == "failed"
        self.hopeless = self._too_many_failed()

    def _too_many_failed(self) -> bool:
        return self.n_failed > self.settings.max_failure_rate * self.book.plan.total

    def _finish(self) -> None:
        """Leave a tidy study behind, whatever ended the loop."""
        for number in self.book.unfinished():
            self.book.requeue(number)
        if self.hopeless or (not self.book.unfinished() and self.book.exhausted()):
            self.folder.end()
        view.write_results(self.book, self.folder.path)
        if not self.book.unused():
            self.observer.finished(view.study_view(self.book, self.folder.path, self.config))

    def _leave(self) -> None:
        """Exit with a code and a line that say why the sweep did not reach its end."""
        if self.interrupt.signal is not None:
            print("interrupted; the same command goes on where it stopped", file=sys.stderr)
            raise SystemExit(128 + self.interrupt.signal)
        if self.hopeless:
            rate, total = self.settings.max_failure_rate, self.book.plan.total
            print(f"given up: {self.n_failed} of {total} trials failed, max_failure_rate={rate}", file=sys.stderr)
            raise SystemExit(1)
