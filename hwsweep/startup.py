"""Measures that only make programs start and end faster; HWSWEEP_PLAIN=1 in the environment turns all of them off."""

from __future__ import annotations

import gc
import os

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
