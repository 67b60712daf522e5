"""Signals: a program that is asked to end leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn

TO_STOP = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context in which Ctrl-C and SIGTERM ask for a clean stop; a second one raises KeyboardInterrupt at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The first signal that came; None before."""
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        self._previous = {number: signal.signal(number, self._note) for number in TO_STOP}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit inside, so that `finally` blocks run."""
    with _handled({signal.SIGTERM: _exit}):
        yield


@contextmanager
def end_signals_as_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP (a terminal that closes) into SystemExit and SIGINT into KeyboardInterrupt inside.

    SIGINT too: a shell script that starts a program in the background makes it ignore SIGINT.
    """
    handlers: dict[signal.Signals, Callable[..., Any]] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: _exit,
    }
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = _exit
    with _handled(handlers):
        yield


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def _handled(handlers: dict[signal.Signals, Callable[..., Any]]) -> Iterator[None]:
    try:
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    except ValueError:  # not the main thread, to which no signal comes
        yield
        return
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
