"""Imported by the fork server alone: what each trial's process would otherwise learn anew."""

from __future__ import annotations

from contextlib import suppress

from hydra.core.plugins import Plugins

import hwsweep.sweep.worker  # noqa: F401  # with all that it imports
from hwsweep.sweep.garbage import end_without_looking_for_garbage

end_without_looking_for_garbage()

with suppress(Exception):  # a plugin that does not load is for the trial to tell
    Plugins.instance()
