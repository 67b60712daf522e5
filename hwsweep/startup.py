"""Measures that only make programs start and end faster; HWSWEEP_PLAIN=1 in the environment turns all of them off."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

SELDOM = 100_000
"""Objects made and not yet gone after which it looks; Python's own limit is 700."""

_usual = gc.get_threshold()


def plain() -> bool:
    """Whether the user wants everything as Python, torch and MLflow do it by themselves."""
    return os.environ.get("HWSWEEP_PLAIN") == "1"


def look_for_garbage_seldom() -> None:
    """Let this process import torch and MLflow in five sixths of the time."""
    gc.set_threshold(SELDOM)


def look_for_garbage_as_usual() -> None:
    """Let this process, which is about to compute, look as often as Python does, at what is made from now on."""
    if gc.isenabled() and gc.get_threshold() == _usual:
        return  # as a second job of the same process finds it: what the first one made may be garbage
    gc.freeze()
    gc.set_threshold(*_usual)
    gc.enable()


@contextmanager
def empty_main_module() -> Iterator[None]:
    """Hide `__main__` from a process that multiprocessing starts inside, which would import it again.

    On a node of a Ray cluster `__main__` is Ray's own program. To import it takes about a second, for each trial.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = main if plain() else ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
