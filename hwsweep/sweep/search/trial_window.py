"""The part of a long study that a sampler looks at, so that trial 10,000 costs no more than trial 1,000."""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState


class TrialWindow:
    """The storage of a study with one objective that shows at most `size` trials; all else is as stored.

    The cost of a suggestion grows with the trials that a sampler looks at: TPE makes each a kernel of a density. Its
    density of good points holds the best 25 only, and the latest trials describe the others as well as all do. The
    window is chosen once, for one suggestion.

    Args:
        values: the value of each finished trial by number, times -1 if it is maximised, infinite if it has none. The
            window adds to it; the caller keeps it from one suggestion to the next. It is not kept of a trial without an
            end time: paused, it looks like a pruned one, but it can go on.
    """

    def __init__(self, storage: BaseStorage, size: int, maximize: bool, values: dict[int, float]) -> None:
        self.storage = storage
        self.size = size
        self.sign = -1 if maximize else 1
        self.values = values
        self.window: list[FrozenTrial] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials of the window, by number."""
        if self.window is None:
            self.window = self._choose(self.storage.get_all_trials(study_id, deepcopy=False))
        trials = [trial for trial in self.window if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _choose(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The latest trials, half of the window; of the earlier ones the best, and those that still run."""
        if len(trials) <= self.size:
            return trials
        half = self.size // 2
        earlier, latest = trials[:-half], trials[-half:]
        paused: dict[int, float] = {}
        for number, trial in enumerate(earlier):
            if number not in self.values and trial.state.is_finished():
                values = paused if trial.datetime_complete is None else self.values
                values[number] = self.sign * trial.values[0] if trial.values else math.inf
        known = self.values | paused
        running = [number for number in range(len(earlier)) if number not in known]
        finite = [(value, number) for number, value in known.items() if value < math.inf and number < len(earlier)]
        best = [number for _, number in heapq.nsmallest(half, finite)]
        return [*(trials[number] for number in sorted([*best, *running])), *latest]
