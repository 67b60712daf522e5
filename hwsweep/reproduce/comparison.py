"""Two runs compared number by number, and what was different around them."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hwsweep.tracking.reading import Logged, file
from hwsweep.tracking.runs import Store

ENVIRONMENT = ("version.", "hwsweep.git_commit", "hwsweep.threads", "hwsweep.machine")
"""Tags, or their beginnings, that say with what a run was trained."""

NOT_COMPARED = ("time/",)
"""Metrics that are never the same twice."""


class Difference(NamedTuple):
    """A number that was not the same again."""

    step: int
    key: str
    before: float
    after: float | None
    """None if it was not measured again."""

    def __str__(self) -> str:
        where = f"{self.key} at epoch {self.step}"
        if self.after is None:
            return f"{where} was {self.before!r}, is not measured now"
        change = self.after - self.before
        relative = f", relative {abs(change / self.before):.2g}" if self.before else ""
        return f"{where} was {self.before!r}, is now {self.after!r} (by {change:.3g}{relative})"


def report(before: Logged, after: Logged, store: Store) -> int:
    """Print what came out; 0 if all is the same, 1 if not."""
    compared = [key for key in before.metrics if not key[1].startswith(NOT_COMPARED)]
    found = differences(before, after)
    epochs = max(step for step, _ in compared)
    if found:
        print(f"different: {found[0]}\n  so are {len(found) - 1} of the {len(compared) - 1} other numbers")
    elif before.status == "FINISHED" and not same_weights(before, after, store):
        print(f"different: the weights of the best epoch, though all {len(compared)} numbers are the same")
        found = [Difference(epochs, "weights", math.nan, None)]
    else:
        weights = " and the weights of the best epoch" if before.status == "FINISHED" else ""
        print(f"bit-identical: {len(compared)} numbers of {epochs} epochs{weights}")
    changes = environment_changes(before, after)
    print("\n".join(["what else differs:", *(f"  {change}" for change in changes)]) if changes else "same environment")
    return 1 if found else 0


def differences(before: Logged, after: Logged) -> list[Difference]:
    """Every number of the run that is not the same to the last bit again, by epoch and key; times are left out."""
    found = []
    for (step, key), value in before.metrics.items():
        now = after.metrics.get((step, key))
        same = now == value or (now is not None and math.isnan(now) and math.isnan(value))
        if not same and not key.startswith(NOT_COMPARED):
            found.append(Difference(step, key, value, now))
    return found


def environment_changes(before: Logged, after: Logged) -> list[str]:
    """One line for each thing that was different: versions, commit, machine, threads, data, where training began."""
    keys = sorted(key for key in {**before.tags, **after.tags} if key.startswith(ENVIRONMENT))
    was = {"data": before.data} | {key: before.tags.get(key, "not noted") for key in keys}
    now = {"data": after.data} | {key: after.tags.get(key, "not noted") for key in keys}
    changes = [f"{key} was {was[key]}, is now {now[key]}" for key in was if was[key] != now[key]]
    if (origin := before.tags.get("hwsweep.resumed_from")) is not None:
        changes.append(f"it had gone on from {origin}, perhaps trained with another config; now all epochs are trained")
    return changes


def same_weights(before: Logged, after: Logged, store: Store) -> bool:
    """Whether every bit of both runs' best checkpoints' tensors is the same."""
    import torch

    from hwsweep.training.checkpoint import load

    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        pairs = ((before, first), (after, second))
        kept = [load(file(store, run.id, "checkpoints/best.pt", Path(folder)))["model"] for run, folder in pairs]
    old, new = kept
    return old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
