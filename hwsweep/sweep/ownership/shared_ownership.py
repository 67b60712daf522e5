"""A study that several processes share, on one machine or on many: each takes the next trial in turn."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.ownership.heartbeat import Heartbeat
from hwsweep.sweep.ownership.locks import has_turns, turn_lock
from hwsweep.sweep.ownership.orphans import kill_orphans
from hwsweep.sweep.ownership.ownership import requeue, take_next
from hwsweep.sweep.proposals import NumberedPoint, Proposals
from hwsweep.sweep.study.record import differences

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

OWNER = "member"
"""The trial's attribute that names the process which runs it."""
QUESTION = "asked"
"""The study's attribute with what decides its trials."""
N_REPORTED = "shown"
"""The study's attribute with the number of trials at its last report."""


class SharedOwner:
    """Owns the trials that this process, one of several, has taken.

    Args:
        directory: the study's folder: one for all processes, or one on each machine.
        url: of the storage; None for the journal in the folder.
        seconds: without a heartbeat until a process counts as dead.

    Raises:
        SweepError: the storage has no lock that all processes see.
    """

    def __init__(self, proposals: Proposals, directory: Path, url: str | None, seconds: float) -> None:
        if not has_turns(url):
            kind = str(url).partition(":")[0]
            raise SweepError(f"join=true needs a PostgreSQL storage, or on one machine a file; but got {kind}")
        self.proposals = proposals
        self.store = proposals.store
        self.directory = directory
        self.turn = turn_lock(self.store.name, url, directory)
        self.heartbeat = Heartbeat(self.store, seconds)
        self.joined_finished_study = False

    def check_question(self, question: Mapping[str, Any]) -> None:
        """Make sure that all processes have the same search, so that a point has the same number for each.

        Raises:
            SweepError: the study was begun with another one, perhaps on another machine.
        """
        with self.turn():
            stored = self.store.study_attributes().get(QUESTION)
            if stored is None:
                self.store.set_study_attribute(QUESTION, dict(question))
            elif lines := differences(stored, question):
                listed = "\n  ".join(lines)
                raise SweepError(f"study {self.store.name!r} was begun with another configuration:\n  {listed}")

    def begin(self) -> None:
        self.heartbeat.begin()
        self.joined_finished_study = self.proposals.is_over()

    def deleted_if_unused(self) -> AbstractContextManager[None]:
        return nullcontext()  # another process may have begun

    def take(self) -> NumberedPoint | None:
        """A trial that waits, that a dead process had, or a new one."""
        with self.turn():
            for trial in self._running():
                if self.heartbeat.is_dead(trial.user_attrs.get(OWNER)):
                    kill_orphans(self.directory / str(trial.number))
                    requeue(self.store, self.directory, trial.number)
            return take_next(self.proposals, self.directory, {OWNER: self.heartbeat.me})

    def owns(self, number: int) -> bool:
        return number in self._own()

    @property
    def expired(self) -> bool:
        return self.heartbeat.expired

    def release(self) -> None:
        with self.turn():
            for number in self._own():
                requeue(self.store, self.directory, number)
        if self.expired:
            self.heartbeat.beat()

    def nothing_to_wait_for(self) -> bool:
        return self.proposals.is_over()  # until then another process may die and leave its trial

    def leave(self, is_over: bool) -> bool:
        """Of a study that is over the first process to leave shows the result, else the last one."""
        with self.turn():
            if is_over:
                number = self.store.n_trials()
                shows = self.joined_finished_study or self.store.study_attributes().get(N_REPORTED) != number
                self.store.set_study_attribute(N_REPORTED, number)
            else:
                shows = not self.heartbeat.others()
            self.heartbeat.end()
        return shows

    def _own(self) -> list[int]:
        return [trial.number for trial in self._running() if trial.user_attrs.get(OWNER) == self.heartbeat.me]

    def _running(self) -> list[FrozenTrial]:
        return [trial for trial in self.store.trials() if trial.state.name == "RUNNING"]
