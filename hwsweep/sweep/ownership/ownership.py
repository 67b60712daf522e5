"""Which trials this process may run: all of the study's, or (shared_ownership.py) those that it takes in turn."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from hwsweep.run_folder import OUTCOME
from hwsweep.sweep import SweepError
from hwsweep.sweep.ownership.locks import has_turns, turn_lock
from hwsweep.sweep.ownership.orphans import kill_orphans
from hwsweep.sweep.proposals import NumberedPoint, Proposals
from hwsweep.sweep.study.trial_attributes import PAUSED
from hwsweep.sweep.study.trial_store import TrialStore


class Ownership(Protocol):
    """Hands out trials, so that each is run by one process."""

    def begin(self) -> None:
        """Prepare the study: trials of a sweep that died wait again, and its processes end."""

    def deleted_if_unused(self) -> AbstractContextManager[None]:
        """Delete the study if an exception ends the block before a trial ran."""

    def take(self) -> NumberedPoint | None:
        """The next trial, running from now on; None if there is none at the moment."""

    def turn(self) -> AbstractContextManager[object]:
        """A block in which no other process takes or ends a trial of the study."""

    def owns(self, number: int) -> bool:
        """Whether this process may end the trial."""

    @property
    def expired(self) -> bool:
        """Whether other processes must take this one for dead; it then stops what it runs."""

    def release(self) -> None:
        """Let the trials that this process runs wait for somebody to go on with them."""

    def nothing_to_wait_for(self) -> bool:
        """Whether no other process can leave a trial to this one."""

    def leave(self, is_over: bool) -> bool:
        """End this process's part in the study; True if it is the one that shows the result.

        Args:
            is_over: the study has reached its total.
        """


def take_next(proposals: Proposals, directory: Path, attributes: dict[str, str]) -> NumberedPoint | None:
    """The next trial, running in the storage from now on: one that waits, one that is promoted, or a new one; None if
    none may start.

    It is called in the study's turn. Trials that a user asks to stop end here, unless they run.

    Args:
        attributes: what is stored with the trial.

    Raises:
        SweepError: the folder of a new trial exists already.
    """
    store = proposals.store
    store.end_stopped()
    if store.is_held():
        return None
    for number in store.waiting() or proposals.promoted():
        for key, value in attributes.items():  # the owner first: who sees the trial running then sees its owner too
            store.set_attribute(number, key, value)
        if store.start(number):
            return NumberedPoint(number, proposals.point_of(number))
    return begin_new(proposals, directory, attributes)


def requeue(store: TrialStore, directory: Path, number: int) -> None:
    """Let an interrupted trial wait for a slot, or, if its run has ended as it was told to, for its promotion.

    A run that was told to pause, but was killed before it stored its outcome, asks its pruner again.
    """
    if store.trial(number).user_attrs.get(PAUSED) is not None:
        folder = directory / str(number)
        if not any(path.exists() for path in (folder / OUTCOME, *folder.glob(f"seed_*/{OUTCOME}"))):
            store.set_attribute(number, PAUSED, None)
    store.requeue(number)


def begin_new(proposals: Proposals, directory: Path, attributes: dict[str, str]) -> NumberedPoint | None:
    """The next new trial, running in the storage from now on; None if none is left.

    Raises:
        SweepError: its folder exists already; nothing was written, so that its outcome never becomes the trial's.
    """
    if proposals.next_index() is not None and (folder := directory / str(proposals.store.n_trials())).exists():
        raise SweepError(
            f"{folder} exists, but the storage knows no such trial; move it away, or give another study_name"
        )
    return proposals.begin_new(attributes)


class SoleOwner:
    """Owns all trials: no other process runs trials of the study, but a user's commands may change it.

    Args:
        url: of the storage; None for the journal in the folder.
    """

    def __init__(self, proposals: Proposals, directory: Path, url: str | None) -> None:
        self.proposals = proposals
        self.store = proposals.store
        self.directory = directory
        self._turn = turn_lock(self.store.name, url, directory) if has_turns(url) else nullcontext
        self.expired = False

    def begin(self) -> None:
        for number in self.store.unfinished():
            kill_orphans(self.directory / str(number))
            if self.store.trial(number).state.name == "RUNNING":
                requeue(self.store, self.directory, number)

    def deleted_if_unused(self) -> AbstractContextManager[None]:
        return self.store.deleted_if_unused()

    def take(self) -> NumberedPoint | None:
        with self.turn():
            return take_next(self.proposals, self.directory, {})

    def turn(self) -> AbstractContextManager[object]:
        return self._turn()

    def owns(self, number: int) -> bool:
        return True

    def release(self) -> None:
        for number in self.store.unfinished():
            if self.store.trial(number).state.name == "RUNNING":
                requeue(self.store, self.directory, number)

    def nothing_to_wait_for(self) -> bool:
        return self.proposals.is_over()  # until then the study is held, or a trial was added just now

    def leave(self, is_over: bool) -> bool:
        return True
