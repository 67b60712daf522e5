"""Imported by the fork server alone: what each trial's process would otherwise learn anew."""

from __future__ import annotations

import atexit
import gc
import os
from contextlib import suppress

from hydra.core.plugins import Plugins

import hwsweep.sweep.worker  # noqa: F401  # with all that it imports


def end_at_once(server: int) -> None:
    """End the fork server without taking apart what it has loaded: who reads the sweep's output waits for its end too.

    Args:
        server: its process; not that of a trial, which ends by itself.
    """
    if os.getpid() == server:
        os._exit(0)


gc.disable()  # it makes no garbage itself
atexit.register(end_at_once, os.getpid())

with suppress(Exception):  # a plugin that does not load is for the trial to tell
    Plugins.instance()
