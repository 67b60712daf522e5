"""How many trials of a study have ended, and how: each is read once when it is new and once when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hwsweep.sweep.study.trial_attributes import ADDED, REFUSED

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Counts(NamedTuple):
    """How many trials a study has."""

    finished: int
    """Without refused ones."""
    failed: int
    """Without refused ones, and those that were added again."""
    refused: int
    proposed: int = 0
    """Trials that the plan proposed, refused ones included: the place of the next point in a grid."""
    added: int = 0
    """Trials that a user added to the plan, without refused ones."""


class Tally:
    """Counts the trials of one study; a trial that has ended changes no more."""

    def __init__(self) -> None:
        self.counts = Counts(0, 0, 0)
        self.unfinished: list[int] = []
        """Numbers of the trials that wait, pause or run."""
        self._n_read = 0
        self._failed: set[int] = set()
        self._repeated: set[int] = set()

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Count what has changed since the last call.

        Args:
            trials: all of the study, by number.
        """
        new = trials[self._n_read :]
        added = [trial.user_attrs[ADDED] for trial in new if ADDED in trial.user_attrs]
        unread = [*self.unfinished, *range(self._n_read, len(trials))]
        finished = [trials[number] for number in unread if trials[number].state.is_finished()]
        refused = [trial for trial in finished if REFUSED in trial.user_attrs]
        self.unfinished = [number for number in unread if not trials[number].state.is_finished()]
        self._n_read = len(trials)
        self._repeated.update(entry["of"] for entry in added if entry["by"] == "retry")
        failed = (trial.number for trial in finished if trial.state.name == "FAIL" and REFUSED not in trial.user_attrs)
        self._failed.update(failed)
        before = self.counts
        self.counts = Counts(
            finished=before.finished + len(finished) - len(refused),
            failed=len(self._failed - self._repeated),
            refused=before.refused + len(refused),
            proposed=before.proposed + len(new) - len(added),
            added=before.added + len(added) - sum(ADDED in trial.user_attrs for trial in refused),
        )
