"""Only the fork server imports this module: it loads what each job's process would otherwise load again."""

from __future__ import annotations

from contextlib import suppress

from hydra.core.plugins import Plugins

import hwsweep.sweep.execution.job_process
import hwsweep.sweep.execution.trial_process  # noqa: F401  # with all that they import
from hwsweep.startup import prepare_fork_server

prepare_fork_server()

with suppress(Exception):  # if a plugin does not load, the trial reports it
    Plugins.instance()
