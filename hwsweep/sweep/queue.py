"""Which run is next: of a trial under way, of an interrupted one, of a new one."""

from __future__ import annotations

import math
import statistics
from collections import deque
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hwsweep import run_folder
from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.execution.executor import Executor, Job
from hwsweep.sweep.live_display import Live
from hwsweep.sweep.planning import seed_values
from hwsweep.sweep.search.point_check import Checker
from hwsweep.sweep.search.sampling import ATTEMPTS
from hwsweep.sweep.search.space import Point, Space, readable
from hwsweep.sweep.settings import Settings
from hwsweep.sweep.study.folder import Folder
from hwsweep.sweep.study.ownership import Claims
from hwsweep.sweep.study.trial_store import Book
from hwsweep.sweep.trial import Value


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
        self.claims.finish(number, *summary(results, [run_folder.read_result(Path(job.directory)) for job in jobs]))

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


def runs_of(number: int, point: Point, space: Space, settings: Settings, config: DictConfig, study: Path) -> list[Job]:
    """The jobs of trial `number`, in the order of their seeds.

    Args:
        config: the composed base configuration; where the first seed is.
        study: the study's folder.
    """

    def job(folder: str, seed: dict[str, Value]) -> Job:
        overrides = [*space.overrides(point), *(f"{key}={value}" for key, value in seed.items())]
        return Job(number, folder, str(study / folder), overrides, {**readable(point), **seed})

    if settings.seeds is None:
        return [job(str(number), {})]
    seeds = seed_values(settings, OmegaConf.select(config, settings.seed_key) or 0)
    return [job(f"{number}/seed_{seed}", {settings.seed_key: seed}) for seed in seeds]


def outcome_of(job: Job) -> outcome.Outcome | None:
    """How the run ended; None while it has not."""
    return outcome.read_outcome(Path(job.directory))


def pruned(job: Job) -> bool:
    """Whether the run has ended because it was pruned."""
    ended = outcome_of(job)
    return ended is not None and ended.state == "pruned"


def summary(results: list[outcome.Outcome], told: list[dict[str, Any]]) -> tuple[str, list[float], dict[str, Any]]:
    """State, mean values and notes of a trial whose runs (one, or one per seed) have all ended."""
    notes: dict[str, Any] = {"seconds": sum(result.seconds for result in results)}
    run_ids = [result["run_id"] for result in told if result.get("run_id")]
    if run_ids:
        notes["mlflow_run_id"] = run_ids[0] if len(results) == 1 else run_ids
    if metrics := mean_metrics([result.get("metrics", {}) for result in told]):
        notes["metrics"] = metrics
    failures = [result.failure for result in results if result.failure is not None]
    if failures:
        notes["failure"] = {"reason": failures[0].reason, "message": failures[0].message}
        return "failed", [], notes
    if any(result.state == "pruned" for result in results):
        return "pruned", [], notes
    columns = list(zip(*(result.values for result in results), strict=True))
    if len(results) > 1:
        notes["standard_errors"] = [statistics.stdev(column) / math.sqrt(len(column)) for column in columns]
    return "complete", [statistics.fmean(column) for column in columns], notes


def mean_metrics(metrics: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric that every run has; only finite numbers (JSON knows no others)."""
    shared = set.intersection(*(set(row) for row in metrics)) if metrics else set()
    means = {key: statistics.fmean(float(row[key]) for row in metrics) for key in metrics[0] if key in shared}
    return {key: value for key, value in means.items() if math.isfinite(value)}
