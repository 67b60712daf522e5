"""Who of a study's processes lives: each counts on in the storage, and watches whether the others do."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from hwsweep.processes import is_gone, this_process

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

KEY = "heartbeat/"
BEATS = 4
"""Per time-out: one that comes late is no death."""
log = logging.getLogger(__name__)


class Heartbeat:
    """This process's own beat, from a thread, and when each other one's last changed.

    No clock of another machine is asked: a count that stands still for `seconds` of this one's is a death.
    """

    def __init__(self, storage: BaseStorage, study_id: int, seconds: float) -> None:
        self.me = this_process()
        self.storage = storage
        self.study_id = study_id
        self.seconds = seconds
        self.count = 0
        self.beaten = time.monotonic()
        self.seen: dict[str, tuple[int | None, float]] = {}
        """Each member's count, and when it was first seen to be that; None for one that has left."""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._keep_beating, daemon=True)

    def begin(self) -> None:
        """Be known to the others from now on."""
        self.beat()
        self.thread.start()

    def end(self) -> None:
        """Leave: what this member still holds may be taken at once."""
        self.stop.set()
        self.thread.join()
        self.storage.set_study_user_attr(self.study_id, KEY + self.me, None)

    def beat(self) -> None:
        """Count on, and look at the others."""
        began = time.monotonic()
        self.count += 1
        self.storage.set_study_user_attr(self.study_id, KEY + self.me, self.count)
        self.look()
        self.beaten = began

    def look(self) -> None:
        """Note which counts have changed."""
        attributes = self.storage.get_study_user_attrs(self.study_id)
        counts = {key.removeprefix(KEY): count for key, count in attributes.items() if key.startswith(KEY)}
        for member, count in counts.items():
            if member not in self.seen or self.seen[member][0] != count:
                self.seen[member] = count, time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether the others must take this process for dead: it could not beat for too long."""
        return time.monotonic() - self.beaten > self.seconds

    def is_dead(self, member: str | None) -> bool:
        """Whether a trial's owner has left, has died, or has not been heard of for the time-out."""
        if member == self.me:
            return False
        if member not in self.seen:
            self.look()
        count, since = self.seen.get(member or "", (None, 0.0))
        return count is None or is_gone(member or "") or time.monotonic() - since > self.seconds

    def others(self) -> list[str]:
        """The other members that live, as far as is known."""
        self.look()
        return [member for member in self.seen if member != self.me and not self.is_dead(member)]

    def _keep_beating(self) -> None:
        while not self.stop.wait(self.seconds / BEATS):
            try:
                self.beat()
            except Exception:  # the storage cannot be reached: perhaps it can next time; if not, `lost` says so
                log.debug("no heartbeat", exc_info=True)
