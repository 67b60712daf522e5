"""Ctrl-C and SIGTERM: the first asks the sweep to stop cleanly, the second stops it at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context in which signals are noted; `signal` is the first that came, None before."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        self.previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
