"""Whose trial is it: what a sweep may take from the book, write down in it and leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.process import kill_orphans
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.study.trial_store import Book


class Claimed(NamedTuple):
    """A trial that is this sweep's to run."""

    number: int
    point: Point


class Claims(Protocol):
    """Between the queue and the book: a sweep of its own (below), or one that shares its study (join)."""

    def begin(self) -> None:
        """Bring the book and the folders of an interrupted sweep together again."""

    def guard(self) -> AbstractContextManager[None]:
        """Removes the study if an exception ends the block before anything was run."""

    def take(self) -> Claimed | None:
        """The next trial, running from now on; None if there is none to take now."""

    def finish(self, number: int, state: str, values: list[float], notes: Mapping[str, Any]) -> None:
        """End the trial in the book, if it is still this sweep's."""

    @property
    def lost(self) -> bool:
        """Whether other sweeps must take this one for dead: it ends what it runs."""

    def release(self) -> None:
        """Let what this sweep has begun and not ended wait for somebody to go on."""

    def over(self) -> bool:
        """Whether there is nothing left to wait for once `take` gives nothing."""

    def leave(self, over: bool) -> bool:
        """End this sweep's part in the study; whether it is the one that shows the result.

        Args:
            over: the study has reached its total.
        """


class Alone:
    """All trials are this sweep's."""

    def __init__(self, book: Book, directory: Path) -> None:
        self.book = book
        self.directory = directory
        self.interrupted: list[int] = []
        self.lost = False

    def begin(self) -> None:
        """Queue again what a dead sweep has left, and end its processes."""
        for number in self.book.unfinished():
            kill_orphans(self.directory / str(number))
            self.book.requeue(number)
            self.interrupted.append(number)

    def guard(self) -> AbstractContextManager[None]:
        """Removes the study if an exception ends the block before anything was run."""
        return self.book.discarded_if_unused()

    def take(self) -> Claimed | None:
        """An interrupted trial, or a new one.

        Raises:
            SweepError: the folder of the new trial is there already.
        """
        if self.interrupted:
            number = self.interrupted.pop(0)
            return Claimed(number, self.book.again(number))
        new = self.book.new()
        if new is not None and (stranger := self.directory / str(new[0])).exists():
            raise SweepError(f"{stranger} exists, but the storage knows no such trial; give another study_name")
        return None if new is None else Claimed(*new)

    def finish(self, number: int, state: str, values: list[float], notes: Mapping[str, Any]) -> None:
        """End the trial in the book."""
        self.book.finish(number, state, values, notes)

    def release(self) -> None:
        """Let all that has not ended wait."""
        for number in self.book.unfinished():
            self.book.requeue(number)

    def over(self) -> bool:
        """Always: nobody else runs anything."""
        return True

    def leave(self, over: bool) -> bool:
        """Always: nobody else shows the result."""
        return True
