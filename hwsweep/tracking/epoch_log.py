"""The log of a run's epochs: short ones share a call of MLflow."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType

from hwsweep.tracking.run import Run

LOG_SECONDS = 1.0
"""Between two calls of MLflow: one takes 20 ms, as long as a short epoch on a GPU."""


class EpochLog:
    """Logs what is added at once, or at most `LOG_SECONDS` later with what comes meanwhile; at its end all of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.waiting: dict[int, Mapping[str, float]] = {}
        self.logged = -math.inf

    def add(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.waiting[epoch] = metrics
        if time.monotonic() - self.logged >= LOG_SECONDS:
            self._log()

    def __enter__(self) -> EpochLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.waiting:
            self._log()

    def _log(self) -> None:
        self.run.log_epochs(self.waiting)
        self.waiting = {}
        self.logged = time.monotonic()
