"""Which trials this process may run: all of the study's, or (shared_ownership.py) those that it takes in turn."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from hwsweep.sweep import SweepError
from hwsweep.sweep.orphans import kill_orphans
from hwsweep.sweep.proposals import NumberedPoint, Proposals


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


def begin_new(proposals: Proposals, directory: Path, attributes: dict[str, str]) -> NumberedPoint | None:
    """The next new trial, running in the storage from now on; None if none is left.

    Raises:
        SweepError: its folder exists already; nothing was written, so that its outcome never becomes the trial's.
    """
    number = proposals.next_number()
    if number is not None and (folder := directory / str(number)).exists():
        raise SweepError(
            f"{folder} exists, but the storage knows no such trial; move it away, or give another study_name"
        )
    return proposals.begin_new(attributes)


class SoleOwner:
    """Owns all trials: no other process works on the study."""

    def __init__(self, proposals: Proposals, directory: Path) -> None:
        self.proposals = proposals
        self.store = proposals.store
        self.directory = directory
        self.interrupted: list[int] = []
        self.expired = False

    def begin(self) -> None:
        for number in self.store.unfinished():
            kill_orphans(self.directory / str(number))
            self.store.requeue(number)
            self.interrupted.append(number)

    def deleted_if_unused(self) -> AbstractContextManager[None]:
        return self.store.deleted_if_unused()

    def take(self) -> NumberedPoint | None:
        """An interrupted trial, or a new one.

        Raises:
            SweepError: the folder of a new trial exists already.
        """
        if self.interrupted:
            number = self.interrupted.pop(0)
            self.store.start(number)
            return NumberedPoint(number, self.proposals.point_of(number))
        return begin_new(self.proposals, self.directory, {})

    def turn(self) -> AbstractContextManager[object]:
        return nullcontext()

    def owns(self, number: int) -> bool:
        return True

    def release(self) -> None:
        for number in self.store.unfinished():
            self.store.requeue(number)

    def nothing_to_wait_for(self) -> bool:
        return True

    def leave(self, is_over: bool) -> bool:
        return True
