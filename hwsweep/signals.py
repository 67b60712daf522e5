"""Signals: a program that is asked to end leaves nothing behind, prints one line and exits with 128 + the signal."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeAlias

TO_STOP = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
"""Ctrl-C, `kill`, and a terminal that closes."""
Handler: TypeAlias = "Callable[[int, FrameType | None], Any]"


class Interrupted(SystemExit):
    """A signal ends the program: `finally` blocks run, then `exit_on_signals` prints the message."""

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(128 + number)
        self.signal = number
        self.message = message


LAST_STEPS: list[Callable[[], object]] = []
"""They end what this process has started, where a signal ends it at once."""
_raised: int | None = None
"""The last signal that was turned into an exception. Some libraries lose exceptions that come at the wrong moment."""


class StopRequest:
    """A context in which the first signal asks for a clean stop; a second one raises Interrupted at once.

    Args:
        message: of the exception.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self.signal: int | None = None
        """The first signal that came; None before."""

        self._handled = _handled(self._note)

    def __enter__(self) -> StopRequest:
        self.signal = _raised
        self._handled.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handled.__exit__(kind, error, trace)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise Interrupted(self.signal, self.message)
        self.signal = number


@contextmanager
def end_on_signals() -> Iterator[None]:
    """End the program at once when a signal comes inside, with one line: nothing is there yet that has to be left well.

    No exception does that: imports and callbacks lose one, and the program goes on.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"interrupted\n")
        for step in LAST_STEPS:
            step()
        os._exit(128 + number)

    with _handled(end):
        yield


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn signals into Interrupted inside, and print its message; after the block they still cause no traceback.

    Inside another such block, that one prints. A closed pipe (`| head`) counts as the signal that it is elsewhere.
    """
    global _raised
    is_inner = signal.getsignal(signal.SIGTERM) is _raise
    if not is_inner:
        _raised = None
        atexit.register(_at_exit, signal.SIG_IGN, os.getpid())  # called last: Python itself would restore SIG_DFL next
    try:
        with _handled(_raise, () if is_inner else TO_STOP), _closed_pipe_as_signal():
            yield
    except Interrupted as error:
        if not is_inner:
            with suppress(OSError, ValueError):  # nobody may be there to read it
                print(error.message, file=sys.stderr, flush=True)
        raise
    finally:
        if not is_inner:
            _raised = None  # of this block alone
            atexit.register(_at_exit, lambda number, frame: os._exit(128 + number), os.getpid())


def sigterm_as_exit() -> AbstractContextManager[None]:
    """A block that turns SIGTERM into Interrupted, so that `finally` blocks run; it prints nothing."""
    return _handled(_raise, {signal.SIGTERM})


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back inside, in this thread; processes that start inside never get them, until `let_through`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TO_STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through() -> None:
    """Give this process, the copy of one that gets no signals, the signals and handlers of a new one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TO_STOP)


class SignalRecord:
    """The signals that this process gets from now on, whatever the program's own handlers make of them."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if hasattr(os, "register_at_fork"):  # the signals of a child are its own
            os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))

    def first(self) -> int | None:
        """The first signal that asked this process to end; None if there was none since the last call."""
        with suppress(BlockingIOError):
            return next((number for number in os.read(self._read, 65536) if number in TO_STOP), None)
        return None


def die_of(number: int) -> NoReturn:
    """End this process by this signal, as a program without a handler ends."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    global _raised
    _raised = number
    raise Interrupted(number)


def _at_exit(handler: Handler | signal.Handlers, process: int) -> None:
    """Handle signals while the interpreter of this process ends: an exception would only cause tracebacks there."""
    if os.getpid() == process:
        _set_handlers(handler)


@contextmanager
def _closed_pipe_as_signal() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # else Python's last flush fails too
            os.dup2(nowhere.fileno(), 1)
        raise Interrupted(signal.SIGPIPE, "interrupted: nobody reads the output any more") from None


@contextmanager
def _handled(handler: Handler, numbers: Iterable[int] = TO_STOP) -> Iterator[None]:
    try:
        previous = _set_handlers(handler, numbers)
    except ValueError:  # not the main thread, to which no signal comes
        yield
        return
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _set_handlers(handler: Handler | signal.Handlers, numbers: Iterable[int] = TO_STOP) -> dict[int, Any]:
    """The handlers before. SIGHUP stays ignored where it is: nohup wants that.

    An ignored SIGINT does not: a shell script that starts a program in the background makes it ignore SIGINT.
    """
    handled = [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}
