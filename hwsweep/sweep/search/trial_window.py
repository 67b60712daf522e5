"""How much of a long study a sampler looks at: its best trials and its latest ones."""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState


class History:
    """The storage of a study with one objective, with at most so many finished trials; all else as stored.

    What a suggestion costs grows with the trials that the sampler looks at: TPE takes each as a kernel of a density.
    Its density of the good points has the best 25 only; of the others the latest tell as much as all. What is seen is
    chosen once: for one suggestion.

    Args:
        ended: the values of trials that have ended by number, times -1 if they are maximized, infinite if there are
            none; added to here, and kept by the caller from one suggestion to the next.
    """

    def __init__(self, storage: BaseStorage, most: int, maximize: bool, ended: dict[int, float]) -> None:
        self.storage = storage
        self.most = most
        self.sign = -1 if maximize else 1
        self.ended = ended
        self.seen: list[FrozenTrial] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """What is seen of the study, by number."""
        if self.seen is None:
            self.seen = self._chosen(self.storage.get_all_trials(study_id, deepcopy=False))
        trials = [trial for trial in self.seen if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _chosen(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The latest half of `most`, of the earlier ones the best half and what still runs."""
        if len(trials) <= self.most:
            return trials
        half = self.most // 2
        earlier, latest = trials[:-half], trials[-half:]
        for number, trial in enumerate(earlier):
            if number not in self.ended and trial.state.is_finished():
                self.ended[number] = self.sign * trial.values[0] if trial.values else math.inf
        running = [number for number in range(len(earlier)) if number not in self.ended]
        valued = [(value, number) for number, value in self.ended.items() if value < math.inf and number < len(earlier)]
        best = [number for _, number in heapq.nsmallest(half, valued)]
        return [*(trials[number] for number in sorted([*best, *running])), *latest]
