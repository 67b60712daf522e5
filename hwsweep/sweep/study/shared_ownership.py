"""A study that several processes share, on one machine or on many: each asks for the next trial, in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from hwsweep.postgresql import is_postgresql, one_at_a_time
from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.process import kill_orphans
from hwsweep.sweep.study.folder import compare
from hwsweep.sweep.study.heartbeat import Heartbeat
from hwsweep.sweep.study.ownership import Claimed
from hwsweep.sweep.study.trial_store import Book

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

OWNER = "member"
"""The note of a trial that says which process has it."""
ASKED = "asked"
SHOWN = "shown"
"""The study's note of how many trials it had when its result was shown."""


def turns(name: str, url: str | None, directory: Path) -> Callable[[], AbstractContextManager[object]]:
    """What makes the processes of study `name` take turns.

    Raises:
        SweepError: the storage knows no lock that all of them would see.
    """
    if url is not None and is_postgresql(url):
        return lambda: one_at_a_time(url, f"hwsweep study {name}")
    if url is None or url.startswith("sqlite:"):

        @contextmanager
        def turn() -> Iterator[None]:
            with FileLock(directory / "turn.lock"):
                yield

        return turn
    raise SweepError(f"join=true needs a PostgreSQL storage, or on one machine a file; but got {url.partition(':')[0]}")


class Crew:
    """The trials of a study that is shared with others: one of many processes that each do the same.

    Args:
        directory: the study's folder; that of all members, or each machine's own.
        url: of the storage; None for the journal in the folder.
        seconds: without a heartbeat until a member is taken for dead.
    """

    def __init__(self, book: Book, directory: Path, url: str | None, seconds: float) -> None:
        self.book = book
        self.directory = directory
        self.turn = turns(book.name, url, directory)
        self.heart = Heartbeat(book.storage, book.study_id, seconds)
        self.book.notes = {OWNER: self.heart.me}
        self.came_late = False

    def agree(self, asked: Mapping[str, Any]) -> None:
        """Make sure that all ask the same: what decides the trials, and so which point has which number.

        Raises:
            SweepError: the study was begun with something else, perhaps on another machine.
        """
        with self.turn():
            found = self._attributes().get(ASKED)
            if found is None:
                self._note(ASKED, dict(asked))
            elif differences := compare(found, asked):
                shown = "\n  ".join(differences)
                raise SweepError(f"study {self.book.name!r} was begun with another configuration:\n  {shown}")

    def begin(self) -> None:
        """Be one of the crew."""
        self.heart.begin()
        self.book.recount()
        self.came_late = self.over()

    def guard(self) -> AbstractContextManager[None]:
        """Nothing is removed: others may have begun."""
        return nullcontext()

    def take(self) -> Claimed | None:
        """A trial that waits, that a dead member had, or a new one."""
        with self.turn():
            self.book.recount()
            for trial in self._left_behind():
                kill_orphans(self.directory / str(trial.number))
                self.book.requeue(trial.number)
            for number in self._in("WAITING"):
                # the owner first: whoever sees the trial running sees whose it is
                self.book.note(number, OWNER, self.heart.me)
                if self.book.claim(number):
                    return Claimed(number, self.book.again(number))
            new = self.book.new()
        return None if new is None else Claimed(*new)

    def finish(self, number: int, state: str, values: list[float], notes: Mapping[str, Any]) -> None:
        """End the trial in the book, unless it was taken from this process while it could not be heard of."""
        with self.turn():
            if number in self._mine():
                self.book.finish(number, state, values, notes)

    @property
    def lost(self) -> bool:
        """Whether this process could not be heard of for so long that its trials may be others' by now."""
        return self.heart.lost

    def release(self) -> None:
        """Let what this process has begun and not ended wait for another one."""
        with self.turn():
            for number in self._mine():
                self.book.requeue(number)
        if self.lost:
            self.heart.beat()

    def over(self) -> bool:
        """Whether all trials of all members have ended: until then one of them may die."""
        return self.book.over()

    def leave(self, over: bool) -> bool:
        """Leave the crew; whether this one shows the result: of a study that is over the first to say so."""
        with self.turn():
            if over:
                number = len(self.book.trials())
                first = self.came_late or self._attributes().get(SHOWN) != number
                self._note(SHOWN, number)
            else:
                first = not self.heart.others()
            self.heart.end()
        return first

    def _left_behind(self) -> list[FrozenTrial]:
        """Trials that run, and whose member does not."""
        return [trial for trial in self._running() if self.heart.is_dead(trial.user_attrs.get(OWNER))]

    def _mine(self) -> list[int]:
        return [trial.number for trial in self._running() if trial.user_attrs.get(OWNER) == self.heart.me]

    def _running(self) -> list[FrozenTrial]:
        return [trial for trial in self.book.trials() if trial.state.name == "RUNNING"]

    def _in(self, state: str) -> list[int]:
        return [trial.number for trial in self.book.trials() if trial.state.name == state]

    def _attributes(self) -> dict[str, Any]:
        return self.book.storage.get_study_user_attrs(self.book.study_id)

    def _note(self, key: str, value: Any) -> None:
        self.book.storage.set_study_user_attr(self.book.study_id, key, value)
