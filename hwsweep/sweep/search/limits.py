"""When a sweep ends before its total, as the user has asked: after some seconds, or once nothing better is found."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import files
from hwsweep.sweep.search.constraints import is_feasible

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ELAPSED = "elapsed.json"
"""In the study's folder: for how many seconds its sweeps have run."""
INTERVAL = 5.0
"""Seconds between two records of the time; a sweep that is killed loses at most so many."""


class RunningTime:
    """For how long a study has been worked on, over all its starts.

    Args:
        folder: the study's; None counts this start alone.
        limit: in seconds; None for no limit.
    """

    def __init__(self, folder: Path | None, limit: float | None) -> None:
        self.path = folder and folder / ELAPSED
        self.limit = math.inf if limit is None else limit
        stored = (files.read_json_object(self.path) or {}).get("seconds") if self.path else None
        self.before = float(stored) if isinstance(stored, int | float) else 0.0
        self.start = self.stored_at = time.monotonic()

    @property
    def is_up(self) -> bool:
        """Whether the limit is reached."""
        return self._seconds() >= self.limit

    def store(self, now: bool = False) -> None:
        """Write the time into the study's folder, at most once per INTERVAL unless it must be now."""
        if self.path and (now or time.monotonic() - self.stored_at >= INTERVAL):
            self.stored_at = time.monotonic()
            files.write_json(self.path, {"seconds": self._seconds()})

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.start


def trials_since_best(trials: Iterable[FrozenTrial], maximize: bool) -> int:
    """How many complete or pruned trials have ended since the best feasible one; 0 before there is one."""
    ended = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    best, n_since = math.inf, 0
    for trial in sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number)):
        counts = bool(trial.values) and is_feasible(trial.constraints)
        value = (-1 if maximize else 1) * trial.values[0] if counts else math.inf
        best, n_since = (value, 0) if value < best or best == math.inf else (best, n_since + 1)
    return n_since
