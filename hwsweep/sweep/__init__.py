"""The sweep engine. engine.py tells one sweep as a story; search/ says what to try next, study/ what has been tried,
execution/ where it runs.
"""

from __future__ import annotations


class SweepError(Exception):
    """The sweep cannot begin or go on; the message names the invariant, the values and the way out."""
