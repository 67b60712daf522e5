"""Python's garbage collector, where it costs more than it gives: it looks again and again at all that torch makes."""

from __future__ import annotations

import gc

SELDOM = 100_000
"""Objects made and not yet gone after which it looks; Python's own limit is 700."""

_usual = gc.get_threshold()


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
