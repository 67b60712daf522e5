"""Python's garbage collector, where it costs more than it gives."""

from __future__ import annotations

import atexit
import gc


def end_without_looking_for_garbage() -> None:
    """Let this process end at once: the last look at all that torch and MLflow have made takes two to four seconds."""
    atexit.register(gc.freeze)
