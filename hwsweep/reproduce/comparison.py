"""Two runs compared number by number, and the differences of their environments."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hwsweep.tracking.reading import LoggedRun, download
from hwsweep.tracking.runs import Store

ENVIRONMENT = ("version.", "hwsweep.git_commit", "hwsweep.threads", "hwsweep.machine")
"""Tags, or their beginnings, about versions, code and machine."""

NOT_COMPARED = ("time/",)
"""Beginnings of metrics that differ from run to run."""

STOPS = ("stops/",)
"""Beginnings of metrics whose step is no epoch, but a stop of lambda."""


class Difference(NamedTuple):
    """A number that the second run does not repeat."""

    step: int
    key: str
    before: float
    after: float | None
    """None if the second run does not have it."""

    def __str__(self) -> str:
        where = f"{self.key} at {'stop' if self.key.startswith(STOPS) else 'epoch'} {self.step}"
        if self.after is None:
            return f"{where} was {self.before!r}, is not measured now"
        change = self.after - self.before
        relative = f", relative {abs(change / self.before):.2g}" if self.before else ""
        return f"{where} was {self.before!r}, is now {self.after!r} (by {change:.3g}{relative})"


def report(before: LoggedRun, after: LoggedRun, store: Store) -> int:
    """Print the result; 0 if all is the same, 1 if not."""
    compared = [key for key in before.metrics if not key[1].startswith(NOT_COMPARED)]
    found = differences(before, after)
    epochs = max(step for step, key in compared if not key.startswith(STOPS))
    if found:
        print(f"different: {found[0]}\n  and {len(found) - 1} of the {len(compared) - 1} other numbers")
    elif before.status == "FINISHED" and not same_weights(before, after, store):
        print(f"different: the weights of the best epoch, though all {len(compared)} numbers are the same")
        found = [Difference(epochs, "weights", math.nan, None)]
    else:
        weights = " and the weights of the best epoch" if before.status == "FINISHED" else ""
        print(f"bit-identical: {len(compared)} numbers of {epochs} epochs{weights}")
    changes = environment_changes(before, after)
    print("\n".join(["also different:", *(f"  {change}" for change in changes)]) if changes else "same environment")
    return 1 if found else 0


def differences(before: LoggedRun, after: LoggedRun) -> list[Difference]:
    """Every number that is not the same to the last bit, by epoch and key; without times."""
    found = []
    for (step, key), value in before.metrics.items():
        now = after.metrics.get((step, key))
        same = now == value or (now is not None and math.isnan(now) and math.isnan(value))
        if not same and not key.startswith(NOT_COMPARED):
            found.append(Difference(step, key, value, now))
    return found


def environment_changes(before: LoggedRun, after: LoggedRun) -> list[str]:
    """One line per difference of versions, commit, machine, threads, data and the start of training."""
    keys = sorted(key for key in {**before.tags, **after.tags} if key.startswith(ENVIRONMENT))
    was = {"data": before.data} | {key: before.tags.get(key, "not recorded") for key in keys}
    now = {"data": after.data} | {key: after.tags.get(key, "not recorded") for key in keys}
    changes = [f"{key} was {was[key]}, is now {now[key]}" for key in was if was[key] != now[key]]
    if (origin := before.tags.get("hwsweep.resumed_from")) is not None:
        changes.append(f"it went on from {origin}, perhaps trained with another config; now all epochs are trained")
    return changes


def same_weights(before: LoggedRun, after: LoggedRun, store: Store) -> bool:
    """Whether every bit of both runs' best checkpoints' tensors is the same."""
    import torch

    from hwsweep.training.checkpoint import load

    with TemporaryDirectory() as temporary:
        old, new = (
            load(download(store, run.id, "checkpoints/best.pt", Path(temporary, run.id)))["model"]
            for run in (before, after)
        )
    return old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
