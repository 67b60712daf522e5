"""What a trial amounts to, once the processes of its runs have ended."""

from __future__ import annotations

import math
import signal
import statistics
from typing import Any

from hwsweep.sweep import outcome
from hwsweep.sweep.executor import Ended


def lost(ended: Ended, timeout: float | None) -> outcome.Outcome:
    """The outcome of a run whose process left none."""
    if ended.stopped == "timeout":
        return outcome.failed("timeout", how_it_ended(ended, timeout), ended.seconds)
    return outcome.failed("killed", f"{how_it_ended(ended, timeout)}; see output.log", ended.seconds)


def how_it_ended(ended: Ended, timeout: float | None) -> str:
    """What is known of a process that left no result, in words."""
    if ended.stopped == "timeout":
        return f"not done after {timeout} s"
    code = ended.exit_code
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"the process ended with {how} and no result"


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
