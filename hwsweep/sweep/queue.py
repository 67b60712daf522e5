"""Which run is next: one of a trial under way, of an interrupted trial, or of a new one."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omegaconf import OmegaConf

from hwsweep.run_folder import read_result
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.planning import seed_values
from hwsweep.sweep.execution.executor import Executor, Job
from hwsweep.sweep.live_display import LiveDisplay
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import Outcome, pauses, read_outcome, set_pause_aside
from hwsweep.sweep.proposals import NumberedPoint
from hwsweep.sweep.search.constraints import parse_constraint
from hwsweep.sweep.search.point_check import PointChecker
from hwsweep.sweep.search.sampling import ATTEMPTS
from hwsweep.sweep.search.space import python_values
from hwsweep.sweep.study.source import copy_trial
from hwsweep.sweep.study.trial_attributes import COPY_OF, METRICS, origin, own_values
from hwsweep.sweep.study.trial_store import TrialResult
from hwsweep.sweep.study.view import objective_names
from hwsweep.sweep.trial import Value


class Queue:
    """The runs that wait and the trials under way. A trial has one run, or one for each seed."""

    def __init__(self, study: OpenStudy, checker: PointChecker) -> None:
        self.study = study
        self.checker = checker
        self.waiting: deque[Job] = deque()
        self.trials: dict[int, list[Job]] = {}
        """The runs of each trial under way."""
        self.later: dict[int, list[Job]] = {}
        """The other seeds of trials whose first seed may still pause."""
        self.stopped: dict[int, bool] = {}
        """The trials that a user stops, and whether some of their runs do not start."""

    def next(self, display: LiveDisplay) -> Job | None:
        """The next run; None if there is none to start at the moment.

        Raises:
            SweepError: the program refuses all points that a sampler proposes.
        """
        n_refused = 0
        while not self.waiting:
            if (trial := self.study.ownership.take()) is None:
                self._prune_paused()
                return None
            if (message := self.checker.refusal_message(trial.point)) is None:
                self._begin(trial)
                continue
            self.study.store.refuse(trial.number, message)
            display.show_refusal(trial.number, trial.point, message)
            if (n_refused := n_refused + 1) == ATTEMPTS and self.study.plan.points is None:
                raise SweepError(f"{n_refused} points in a row were refused, the last one: {message}")
        return self.waiting.popleft()

    def prepare(self, executor: Executor) -> None:
        """Let the executor prepare the next run, as far as it is known, while all slots are busy."""
        if self.waiting:
            executor.prepare(self.waiting[0])
        elif (trial := self.study.proposals.next_grid_point()) and self.checker.refusal_message(trial.point) is None:
            executor.prepare(self._jobs(trial)[0])

    def retry(self, job: Job) -> None:
        """Run the job again, before all others."""
        self.waiting.appendleft(job)

    def is_judged(self, job: Job) -> bool:
        """Whether the pruner judges the trial by this run: by its first seed, which all points share."""
        return job == self.trials[job.trial][0]

    def is_pruned(self, number: int) -> bool:
        """Whether the run by which the trial is judged was pruned."""
        if not self.trials[number]:  # a user has stopped it while its killed run waited to start again
            return False
        outcome = read_outcome(Path(self.trials[number][0].directory))
        return outcome is not None and outcome.state == "pruned"

    def handle_end(self, job: Job) -> None:
        """Go on with the trial after this run, which has an outcome."""
        if self.is_judged(job) and not self.is_pruned(job.trial):
            self._queue(job.trial, self.later.pop(job.trial, []))
        self._finish_if_done(job.trial)

    def _finish_if_done(self, number: int) -> None:
        """End the trial in the storage, or pause it, once all its runs have an outcome."""
        if self.is_pruned(number):  # its other seeds are not run
            self.trials[number] = [job for job in self.trials[number] if job not in self.waiting]
            self.waiting = deque(job for job in self.waiting if job.trial != number)
        directories = [Path(job.directory) for job in self.trials[number]]
        outcomes = [outcome for directory in directories if (outcome := _outcome_of_all(directory)) is not None]
        if len(outcomes) < len(directories):
            return
        del self.trials[number]
        self.later.pop(number, None)
        with self.study.ownership.turn():
            if self.study.ownership.owns(number):  # not if another process took it for abandoned meanwhile
                result = trial_result(outcomes, [read_result(directory) for directory in directories])
                result = self._with_columns(self._with_constraints(result))
                if self.stopped.pop(number, False):
                    result = TrialResult("pruned", [], result.attributes)
                if result.state == "pruned" and self.study.proposals.is_pausing(number):
                    self.study.store.pause(number, result.attributes)
                else:
                    self.study.store.finish(number, result, self.study.proposals.sampler(number))

    def _prune_paused(self) -> None:
        """End the paused trials if none of them can be promoted any more."""
        with self.study.ownership.turn():
            for number in self.study.proposals.unpromotable():
                result = TrialResult("pruned", [], {})
                if "seconds" not in self.study.store.trial(number).user_attrs:  # the sweep was killed as it paused
                    folder = self.study.folder.path / str(number)
                    directories = sorted(folder.glob("seed_*")) or [folder]
                    outcomes = [found for directory in directories if (found := _outcome_of_all(directory)) is not None]
                    if outcomes:
                        result = trial_result(outcomes, [read_result(directory) for directory in directories])
                if self.study.store.start(number):
                    self.study.store.finish(number, result, self.study.proposals.sampler(number))

    def stop(self, number: int) -> bool:
        """Drop the runs of the trial that have not started; True if it is under way here and was not stopped before."""
        if number not in self.trials or number in self.stopped:
            return False
        dropped = [*(job for job in self.waiting if job.trial == number), *self.later.pop(number, [])]
        self.stopped[number] = bool(dropped)
        self.waiting = deque(job for job in self.waiting if job.trial != number)
        self.trials[number] = [job for job in self.trials[number] if job not in dropped]
        self._finish_if_done(number)
        return True

    def _with_constraints(self, result: TrialResult) -> TrialResult:
        """The result with the values of the study's constraints, if the trial has been measured."""
        if result.state != "complete":
            return result
        names = objective_names(self.study.proposals.config, len(result.values))
        metrics = {**dict(zip(names, result.values, strict=True)), **result.attributes.get(METRICS, {})}
        bounds = map(parse_constraint, self.study.settings.constraints)
        return result._replace(constraints={**result.constraints, **{b.text: b.violation(metrics) for b in bounds}})

    def _with_columns(self, result: TrialResult) -> TrialResult:
        """The result with an attribute for each metric that the configuration's `table` names; without it for all.

        Optuna's tools show them as columns.
        """
        metrics = result.attributes.get(METRICS, {})
        shown = {key: metrics[key] for key in self.study.proposals.config.get("table") or metrics if key in metrics}
        return result._replace(attributes={**shown, **result.attributes})

    def clear(self) -> None:
        """Drop all runs: another process may have taken over their trials."""
        self.waiting.clear()
        self.trials.clear()
        self.later.clear()

    def _begin(self, trial: NumberedPoint) -> None:
        """Queue the trial's runs that have no outcome yet; if all have one, only the trial's end is missing.

        Where trials pause, the first seed climbs the rungs alone: the others run once it has reached the end.
        """
        if (source := self.study.store.trial(trial.number).user_attrs.get(COPY_OF)) is not None:
            copy_trial(Path(source), self.study.folder.path / str(trial.number))
        record = self.study.store.trial(trial.number)
        first, *others = (job._replace(origin=origin(record)) for job in self._jobs(trial, own_values(record)))
        self.trials[trial.number], self.later[trial.number] = [], others
        if self.study.proposals.paused_trials is not None:
            set_pause_aside(Path(first.directory))
        self._queue(trial.number, [first])
        if self.study.proposals.paused_trials is None or read_outcome(Path(first.directory)) is not None:
            self._queue(trial.number, self.later.pop(trial.number))
        self._finish_if_done(trial.number)

    def _queue(self, number: int, jobs: list[Job]) -> None:
        """Add runs to the trial, and queue those that have no outcome."""
        self.trials[number].extend(jobs)
        self.waiting.extend(job for job in jobs if read_outcome(Path(job.directory)) is None)

    def _jobs(self, trial: NumberedPoint, own: Mapping[str, Value] = MappingProxyType({})) -> list[Job]:
        """The runs of the trial, in the order of their seeds.

        Args:
            own: what this trial sets on top of its point, such as a seed.
        """
        settings, space = self.study.settings, self.study.plan.space

        def job(folder: str, seed: Mapping[str, Value]) -> Job:
            further = {**own, **seed}
            overrides = [*space.overrides(trial.point), *(f"{key}={value}" for key, value in further.items())]
            directory = str(self.study.folder.path / folder)
            return Job(trial.number, folder, directory, overrides, {**python_values({**trial.point, **further})})

        if settings.seeds is None or settings.seed_key in own:
            return [job(str(trial.number), {})]
        first = OmegaConf.select(self.study.proposals.config, settings.seed_key) or 0
        seeds = seed_values(settings, first)
        return [job(f"{trial.number}/seed_{seed}", {settings.seed_key: seed}) for seed in seeds]


def _outcome_of_all(directory: Path) -> Outcome | None:
    """The outcome of the run in this folder, with the seconds of all its stretches between pauses."""
    outcome = read_outcome(directory)
    return outcome and outcome._replace(seconds=outcome.seconds + sum(pause.seconds for pause in pauses(directory)))


def trial_result(outcomes: list[Outcome], results: list[dict[str, Any]]) -> TrialResult:
    """The result of a trial whose runs have all ended: values and metrics are means over the runs, words the first's.

    Args:
        results: what the program stored of each run.
    """
    words = {key: word for key, word in results[0].items() if isinstance(word, str) and key != "run_id"}
    attributes: dict[str, Any] = {**words, "seconds": sum(outcome.seconds for outcome in outcomes)}
    if run_ids := [result["run_id"] for result in results if result.get("run_id")]:
        attributes["mlflow_run_id"] = run_ids[0] if len(outcomes) == 1 else run_ids
    if metrics := mean_metrics([result.get("metrics", {}) for result in results]):
        attributes[METRICS] = metrics
    constraints = mean_metrics([dict(outcome.constraints) for outcome in outcomes])
    if failures := [outcome.failure for outcome in outcomes if outcome.failure is not None]:
        attributes["failure"] = {"reason": failures[0].reason, "message": failures[0].message}
        return TrialResult("failed", [], attributes)
    if any(outcome.state == "pruned" for outcome in outcomes):
        return TrialResult("pruned", [], attributes, constraints)
    columns = list(zip(*(outcome.values for outcome in outcomes), strict=True))
    if len(outcomes) > 1:
        attributes["standard_errors"] = [statistics.stdev(column) / math.sqrt(len(column)) for column in columns]
    return TrialResult("complete", [statistics.fmean(column) for column in columns], attributes, constraints)


def mean_metrics(metrics: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric that every run has; only finite ones, since JSON has no other numbers."""
    shared = set.intersection(*(set(row) for row in metrics)) if metrics else set()
    means = {key: statistics.fmean(float(row[key]) for row in metrics) for key in metrics[0] if key in shared}
    return {key: value for key, value in means.items() if math.isfinite(value)}
