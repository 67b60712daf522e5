"""The loop of a sweep: a free slot gets the next run at once, and each process that ends is handled at once."""

from __future__ import annotations

import shlex
import signal
import time
from collections import Counter
from pathlib import Path

from hwsweep import files, run_folder
from hwsweep.signals import TO_STOP, Interrupted, StopRequest
from hwsweep.sweep import SweepError, disk, outcome
from hwsweep.sweep.execution.executor import AskedToPrune, Executor, Job, JobEnd, Message, missing_outcome
from hwsweep.sweep.live_display import LiveDisplay
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.queue import Queue
from hwsweep.sweep.search.limits import RunningTime
from hwsweep.sweep.study.results_file import write_results
from hwsweep.sweep.study.trial_attributes import RESULT
from hwsweep.sweep.study.view import Observer

PAUSE = 0.5
"""Seconds between two looks at what runs, here or in other processes of the study."""


def interrupted_message(argv: list[str]) -> str:
    """What the user reads after an interruption: the command as the shell gave it, with a fixed time for `$(date)`."""
    if not argv:
        return "interrupted; the same call goes on where it stopped"
    return f"interrupted; the same command goes on where it stopped: {files.without_passwords(shlex.join(argv))}"


class Runner:
    """Runs a study to its end."""

    def __init__(self, study: OpenStudy, queue: Queue, executor: Executor, observer: Observer) -> None:
        self.study = study
        self.queue = queue
        self.executor = executor
        self.observer = observer
        self.n_killed: Counter[str] = Counter()
        """How often each run was killed from outside, by its folder."""
        self.last_steps: dict[str, int] = {}
        """The step that each run has reported last, by its folder."""
        self.interrupted_message = interrupted_message(study.caller.argv)
        self.stop_request = StopRequest(self.interrupted_message)
        self.time = RunningTime(None if study.settings.join else study.folder.path, study.settings.max_seconds)
        self.next_look = 0.0
        """When the storage is asked again which trials a user stops (time.monotonic)."""
        self.ending: str | None = None
        """Why the sweep ends before its total, where the user's own limits say so."""
        self.no_space: str | None = None
        """What to say once a disk is full; all trials that have not ended then wait."""

    def run(self) -> None:
        """Run until the total is reached, the user stops the sweep, or too many trials have failed.

        Raises:
            SystemExit: a signal stopped the sweep (128 + its number).
            SweepError: too many trials have failed, or a disk is full.
        """
        self.study.ownership.begin()
        with self.study.ownership.deleted_if_unused():
            self.observer.started(self.study.view())
        with self.study.ownership.turn():
            self.study.folder.write_ending(None)
            self.study.folder.mark_open()
        try:
            with self.stop_request, LiveDisplay(self.study) as display:
                self._loop(display)
        finally:
            self.time.store(now=True)
            self.executor.kill()
            self.study.ownership.release()
        try:
            self._finish()
        except Interrupted as error:
            raise Interrupted(error.signal, self.interrupted_message) from error
        self._exit()

    def _loop(self, display: LiveDisplay) -> None:
        """Run until nothing runs and nothing is left to start, here or in other processes of the study."""
        executor, ownership = self.executor, self.study.ownership
        self.queue.prepare(executor)  # while the fork server still loads
        while True:
            self.time.store()
            self._stop_as_asked(display)
            while executor.free and not self._is_stopping and (job := self.queue.next(display)) is not None:
                Path(job.directory).mkdir(parents=True, exist_ok=True)
                executor.submit(job)
                display.show_start(job)
            if self._is_stopping:
                executor.stop()
            elif executor.jobs:
                self.queue.prepare(executor)
            if not executor.jobs:
                if self._is_stopping or self._is_done():
                    return
                display.show_held(self.study.store.is_held())
                time.sleep(PAUSE)
            elif ownership.expired:
                executor.kill()  # other processes may run the same trials by now
                self.queue.clear()
                ownership.release()
            else:
                for end in executor.wait(lambda job, message: self._answer(display, job, message), seconds=PAUSE):
                    self._handle_end(end, display)

    def _is_done(self) -> bool:
        """Whether nothing is left to wait for. From then on a trial that a user adds is one for the next start."""
        with self.study.ownership.turn():
            is_done = self.study.ownership.nothing_to_wait_for()
            if is_done and self.study.proposals.is_over():
                self.study.folder.mark_over()
        return is_done

    def _stop_as_asked(self, display: LiveDisplay) -> None:
        """Ask the runs of trials that a user stops to end."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + PAUSE
        for number in self.study.store.stop_requests():
            jobs = [job for job in self.executor.jobs if job.trial == number]
            if self.queue.stop(number):
                display.show_stop(number)
                for job in jobs:
                    self.executor.stop_job(job)

    @property
    def _is_stopping(self) -> bool:
        return (
            self.stop_request.signal is not None
            or self.no_space is not None
            or self._has_too_many_failures
            or self.time.is_up
        )

    @property
    def _has_too_many_failures(self) -> bool:
        return self.study.store.counts().failed > self.study.settings.max_failure_rate * self.study.proposals.total()

    def _answer(self, display: LiveDisplay, job: Job, message: Message) -> bool | None:
        """The answer to a message of a running trial; None if it expects none."""
        is_judged = self.queue.is_judged(job)
        if isinstance(message, AskedToPrune):
            if is_judged:
                return self.study.proposals.should_prune(job.trial, self.last_steps.get(job.folder))
            return self.queue.is_pruned(job.trial)
        self.last_steps[job.folder] = message.step
        display.show_report(job, message.value, message.step)
        if is_judged and len(self.study.plan.directions) == 1:
            self.study.store.report(job.trial, message.value, message.step)
        return None

    def _handle_end(self, end: JobEnd, display: LiveDisplay) -> None:
        """Find out how a run ended, and start it again or end its trial."""
        job, directory = end.job, Path(end.job.directory)
        (directory / run_folder.PROCESS).unlink(missing_ok=True)
        self.last_steps.pop(job.folder, None)
        result = outcome.read_outcome(directory)
        if result is not None and result.failure is not None and result.failure.reason == outcome.NO_SPACE:
            (directory / run_folder.OUTCOME).unlink()
            self.no_space = disk.full_message(directory, result.failure.message)
            return
        if result is None:
            if self._is_stopping:
                return  # its trial waits for the next sweep
            if not disk.has_space(directory):
                self.no_space = disk.full_message(directory)
                return
            if end.stop_reason is None and self._may_retry(end):
                self.queue.retry(job)
                return
            result = missing_outcome(end, self.study.settings.timeout)
            outcome.write_outcome(directory, result)
        display.show_end(job, result)
        self.queue.handle_end(job)

    def _may_retry(self, end: JobEnd) -> bool:
        """Whether a run whose process was killed from outside is started again."""
        if -end.exit_code not in {signal.SIGKILL, *TO_STOP}:
            return False
        self.n_killed[end.job.folder] += 1
        return self.n_killed[end.job.folder] <= self.study.settings.retries

    def _finish(self) -> None:
        """Show the study's result. Only then has the study ended: the same command makes what is missing until then."""
        study = self.study
        with study.ownership.turn():
            is_over = study.proposals.is_over()
            self.ending = self._ending(is_over)
            study.folder.write_ending(self.ending)
            no_trial_is_left = is_over or self._has_too_many_failures
            if no_trial_is_left:
                study.folder.mark_over()
        if not study.ownership.leave(is_over):
            print(f"done here; another process of the study shows the result: {study.folder.path}", flush=True)
            return
        write_results(study.store, study.folder.path)
        if not study.store.is_unused():
            text = self.observer.finished(study.view())
            if text and study.store.study_attributes().get(RESULT) != text:
                study.store.set_study_attribute(RESULT, text)
        if no_trial_is_left and self.stop_request.signal is None:
            with study.ownership.turn():
                study.folder.mark_ended()

    def _ending(self, is_over: bool) -> str | None:
        """Why the sweep ends before its total, in a sentence; None where it has not been asked to."""
        settings, finished, total = (
            self.study.settings,
            self.study.store.counts().finished,
            self.study.proposals.total(),
        )
        if finished < total and is_over and self.study.proposals.has_no_patience():
            found = f"no better value for {settings.patience} trial{'s' * (settings.patience != 1)}"
            return f"{found} (patience={settings.patience}): the sweep ends after {finished} of {total} trials"
        if self.time.is_up and not is_over and settings.max_seconds is not None:
            return (
                f"max_seconds={settings.max_seconds:g} is reached after {finished} of {total} trials; "
                "with a larger max_seconds the same command goes on"
            )
        return None

    def _exit(self) -> None:
        """Exit with a code and a message if the sweep did not reach its total."""
        if self.stop_request.signal is not None:
            raise Interrupted(self.stop_request.signal, self.interrupted_message)
        if self.no_space is not None:
            raise SweepError(self.no_space)
        if self._has_too_many_failures:
            rate, total, failed = (
                self.study.settings.max_failure_rate,
                self.study.proposals.total(),
                self.study.store.counts().failed,
            )
            raise SweepError(f"given up: {failed} of {total} trials failed, max_failure_rate={rate}")
        if self.ending is not None:
            print(self.ending, flush=True)
