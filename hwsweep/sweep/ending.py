"""The end of a process without taking apart what it has loaded, which takes torch and MLflow some 0.2 s."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def end_at_once(process: int) -> None:
    """End this process now with exit code 0, if it is that one and not a copy of it, which ends by itself."""
    if os.getpid() == process:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


@contextmanager
def quick_end() -> Iterator[None]:
    """If nothing is raised inside, let this process end at once after all that was registered for its end since."""
    succeeded = False

    def end() -> None:
        if succeeded:
            end_at_once(process)

    process = os.getpid()
    atexit.register(end)
    yield
    succeeded = True
