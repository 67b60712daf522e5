"""Signs of life of the processes that share a study, in its storage: whoever falls silent loses its trials."""

from __future__ import annotations

import logging
import threading
import time

from hwsweep.processes import is_gone, this_process
from hwsweep.sweep.study.trial_store import TrialStore

KEY = "heartbeat/"
BEATS_PER_TIMEOUT = 4
"""So that one late beat does not count as a death."""
log = logging.getLogger(__name__)


class Heartbeat:
    """This process's count, which a thread increases, and when each other process's count last changed.

    Clocks of other machines are not compared: a count that does not change for `seconds` of this machine's clock
    means that its process is dead.
    """

    def __init__(self, store: TrialStore, seconds: float) -> None:
        self.me = this_process()
        self.store = store
        self.seconds = seconds
        self.count = 0
        self.last_beat = time.monotonic()
        self.counts: dict[str, tuple[int | None, float]] = {}
        """Each process's count and when it was first read; None for a process that has left."""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat_until_stopped, daemon=True)

    def begin(self) -> None:
        """Let the others know this process from now on."""
        self.beat()
        self.thread.start()

    def end(self) -> None:
        """Leave: others may take the trials of this process at once."""
        self.stop.set()
        self.thread.join()
        self.store.set_study_attribute(KEY + self.me, None)

    def beat(self) -> None:
        """Increase the count, and read those of the others."""
        began = time.monotonic()
        self.count += 1
        self.store.set_study_attribute(KEY + self.me, self.count)
        self.read()
        self.last_beat = began

    def read(self) -> None:
        """Store which counts have changed, and when."""
        for key, count in self.store.study_attributes().items():
            process = key.removeprefix(KEY)
            if process != key and (process not in self.counts or self.counts[process][0] != count):
                self.counts[process] = count, time.monotonic()

    @property
    def expired(self) -> bool:
        """Whether the others must take this process for dead: its last beat is too old."""
        return time.monotonic() - self.last_beat > self.seconds

    def is_dead(self, process: str | None) -> bool:
        """Whether a trial's owner has left, has ended, or has not beaten for the time-out."""
        if process == self.me:
            return False
        if process not in self.counts:
            self.read()
        count, since = self.counts.get(process or "", (None, 0.0))
        return count is None or is_gone(process or "") or time.monotonic() - since > self.seconds

    def others(self) -> list[str]:
        """The other processes that live, as far as is known."""
        self.read()
        return [process for process in self.counts if process != self.me and not self.is_dead(process)]

    def _beat_until_stopped(self) -> None:
        while not self.stop.wait(self.seconds / BEATS_PER_TIMEOUT):
            try:
                self.beat()
            except Exception:  # the storage cannot be reached; if that lasts, `expired` becomes true
                log.debug("no heartbeat", exc_info=True)
