"""The sweep engine. engine.py tells one sweep as a story; command/ says what the user asks for, search/ what to try
next, study/ what has been tried, ownership/ which process tries it, execution/ where it runs.
"""

from __future__ import annotations


class SweepError(Exception):
    """The sweep cannot begin or go on; the message names the invariant, the values and the way out."""
