"""Only the fork server imports this module: it loads what each job's process would otherwise load again."""

from __future__ import annotations

import atexit
import gc
import os
from contextlib import suppress

from hydra.core.plugins import Plugins

import hwsweep.sweep.execution.job_process
import hwsweep.sweep.execution.trial_process  # noqa: F401  # with all that they import
from hwsweep.sweep.ending import end_at_once

gc.disable()  # the fork server itself makes no garbage
atexit.register(end_at_once, os.getpid(), 0)  # a program that reads the sweep's output also waits for this end

with suppress(Exception):  # if a plugin does not load, the trial reports it
    Plugins.instance()
