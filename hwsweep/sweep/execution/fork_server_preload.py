"""Imported by the fork server alone: what each trial's process would otherwise learn anew."""

from __future__ import annotations

import atexit
import gc
import os
from contextlib import suppress

from hydra.core.plugins import Plugins

import hwsweep.sweep.execution.trial_process  # noqa: F401  # with all that it imports
from hwsweep.sweep.ending import end_at_once

gc.disable()  # it makes no garbage itself
atexit.register(end_at_once, os.getpid(), 0)  # who reads the sweep's output waits for this end too

with suppress(Exception):  # a plugin that does not load is for the trial to tell
    Plugins.instance()
