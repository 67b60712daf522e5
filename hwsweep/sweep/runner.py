"""The loop of a sweep: a free slot gets the next run, an ended process is settled, nothing waits for anything else."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hwsweep import run_folder
from hwsweep.signals import StopRequest
from hwsweep.sweep import outcome
from hwsweep.sweep.execution.executor import Ended, Executor, Job, lost
from hwsweep.sweep.live_display import Live
from hwsweep.sweep.planning import seed_values
from hwsweep.sweep.queue import Queue, pruned
from hwsweep.sweep.settings import Settings
from hwsweep.sweep.study import view
from hwsweep.sweep.study.folder import Folder
from hwsweep.sweep.study.ownership import Claims
from hwsweep.sweep.study.trial_store import Book

PAUSE = 0.5
"""Seconds between two looks at what runs, or at what other processes of the study have left."""


class Runner:
    """One sweep that runs."""

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        book: Book,
        claims: Claims,
        config: DictConfig,
        queue: Queue,
        executor: Executor,
        observer: view.Observer,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.book = book
        self.claims = claims
        self.config = config
        self.queue = queue
        self.executor = executor
        self.observer = observer
        self.deaths: Counter[str] = Counter()
        self.interrupt = StopRequest()

    def run(self) -> None:
        """Run to the total, or until the sweep is stopped or hopeless; the observer hears of its end in every case."""
        self.claims.begin()
        with self.interrupt:
            with self.claims.guard():
                self.observer.started(view.study_view(self.book, self.folder.path, self.config))
            try:
                with Live(self.book, len(seed_values(self.settings, 0)) or 1, self.settings.join) as live:
                    self._loop(live)
            finally:
                self.executor.kill()
                self._finish()
        self._leave()

    def _loop(self, live: Live) -> None:
        """Until nothing runs and nothing is left to start, here or where the study is shared."""
        pool = self.executor
        self.queue.prepare(pool)  # while the fork server still loads
        while True:
            while pool.free and not self._stopping and (job := self.queue.next(live)) is not None:
                Path(job.directory).mkdir(parents=True, exist_ok=True)
                pool.submit(job)
                live.started(job)
            if self._stopping:
                pool.stop()
            elif pool.jobs:
                self.queue.prepare(pool)
            if not pool.jobs:
                if self._stopping or self.claims.over():
                    return
                time.sleep(PAUSE)
            elif self.claims.lost:
                self._let_go()
            else:
                for ended in pool.wait(lambda job, message: self._answer(live, job, message), seconds=PAUSE):
                    self._settle(ended, live)

    def _let_go(self) -> None:
        """End what runs here: others may have begun to run the same."""
        self.executor.kill()
        self.queue.forget()
        self.claims.release()

    @property
    def _stopping(self) -> bool:
        return self.interrupt.signal is not None or self._hopeless

    @property
    def _hopeless(self) -> bool:
        return self.book.n_failed > self.settings.max_failure_rate * self.book.plan.total

    def _answer(self, live: Live, job: Job, message: tuple[Any, ...]) -> bool | None:
        """Serve a message of a running trial. With seeds, the first of them is judged: all points share it."""
        first = self.queue.under_way[job.trial][0]
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
        (directory / run_folder.PROCESS).unlink(missing_ok=True)
        result = outcome.read_outcome(directory)
        if ended.stopped is not None and result is not None and result.state == "failed":
            (directory / run_folder.OUTCOME).unlink()  # it failed because it was asked to end
            result = None
        if result is None:
            if ended.stopped == "stop" and self._stopping:
                return
            if ended.stopped is None and self._again(ended):
                self.queue.waiting.appendleft(job)
                return
            result = lost(ended, self.settings.timeout)
            outcome.write_outcome(directory, result)
        live.ended(job, result)
        self.queue.close_if_done(job.trial)

    def _again(self, ended: Ended) -> bool:
        """Whether a run whose process was killed from outside gets another chance."""
        if -ended.exit_code not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            return False
        self.deaths[ended.job.folder] += 1
        return self.deaths[ended.job.folder] <= self.settings.retries

    def _finish(self) -> None:
        """Leave a tidy study behind, whatever ended the loop."""
        self.claims.release()
        over = self.book.over()
        if self._hopeless or over:
            self.folder.end()
        if not self.claims.leave(over):
            print(f"done here; another process of the study shows the result: {self.folder.path}", flush=True)
            return
        view.write_results(self.book, self.folder.path)
        if not self.book.unused():
            self.observer.finished(view.study_view(self.book, self.folder.path, self.config))

    def _leave(self) -> None:
        """Exit with a code and a line that say why the sweep did not reach its end."""
        if self.interrupt.signal is not None:
            print("interrupted; the same command goes on where it stopped", file=sys.stderr)
            raise SystemExit(128 + self.interrupt.signal)
        if self._hopeless:
            rate, total = self.settings.max_failure_rate, self.book.plan.total
            print(f"given up: {self.book.n_failed} of {total} trials failed, max_failure_rate={rate}", file=sys.stderr)
            raise SystemExit(1)
