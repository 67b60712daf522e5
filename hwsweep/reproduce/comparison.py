"""Two runs compared number by number, and the differences of their environments."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hwsweep.tracking.reading import LoggedRun, download
from hwsweep.tracking.runs import Store

ENVIRONMENT = ("version.", "hwsweep.git_commit", "hwsweep.threads", "hwsweep.machine", "hwsweep.device")
"""Tags, or their beginnings, about versions, code and machine."""

NOT_COMPARED = ("time/",)
"""Beginnings of metrics that differ from run to run."""

OF_ANOTHER_DEVICE = 0.5
"""Nats by which `valid/loss` of the same run may differ on another device, which draws other noise."""

STACKED = "trainer"
"""What such a run has for its device whose model another process has trained, perhaps as one with others."""

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
    """Print the result; 0 if all is the same, or near enough on another device, 1 if not."""
    devices = (_kind_of_device(before), _kind_of_device(after))
    if None not in devices and devices[0] != devices[1]:
        return _report_devices(before, after, *devices)
    compared = [key for key in before.metrics if not key[1].startswith(NOT_COMPARED)]
    found = differences(before, after)
    epochs = max(step for step, key in compared if not key.startswith(STOPS))
    if found:
        print(f"different: {found[0]}\n  and {len(found) - 1} of the {len(compared) - 1} other numbers")
        if devices[1] == "cuda":
            print("a GPU repeats every bit only of a run that was trained with deterministic=true")
    elif before.status == "FINISHED" and not same_weights(before, after, store):
        print(f"different: the weights of the best epoch, though all {len(compared)} numbers are the same")
        found = [Difference(epochs, "weights", math.nan, None)]
    else:
        weights = " and the weights of the best epoch" if before.status == "FINISHED" else ""
        print(f"bit-identical: {len(compared)} numbers of {epochs} epochs{weights}")
    _print_changes(before, after)
    return 1 if found else 0


def _report_devices(before: LoggedRun, after: LoggedRun, was: str | None, now: str | None) -> int:
    """Print by how much `valid/loss` differs between two devices; 0 if by at most `OF_ANOTHER_DEVICE`, 1 if by more."""
    losses = {step: value for (step, key), value in before.metrics.items() if key == "valid/loss"}
    changes = {step: abs(after.metrics.get((step, "valid/loss"), math.nan) - losses[step]) for step in losses}
    worst = max(changes, key=lambda step: math.inf if math.isnan(changes[step]) else changes[step])
    near = changes[worst] <= OF_ANOTHER_DEVICE
    change = f"valid/loss differs by at most {changes[worst]:.3g} nats (epoch {worst} of {max(losses)})"
    if math.isnan(changes[worst]):
        change = f"valid/loss is no number in epoch {worst} of {max(losses)}"
    why = (
        f"trained with device={was}, again with device={now}: the noise is another and sums are added up in another "
        "order, so bits differ"
    )
    if was == STACKED:
        why = "trained where trials may train as one, again alone: sums may be added up in another order"
    print(f"{why}\n{'near' if near else 'different'}: {change}; up to {OF_ANOTHER_DEVICE} nats are near")
    _print_changes(before, after)
    return 0 if near else 1


def _kind_of_device(run: LoggedRun) -> str | None:
    """cpu, cuda or mps; None if the run does not say."""
    return run.tags["hwsweep.device"].partition(":")[0] if "hwsweep.device" in run.tags else None


def _print_changes(before: LoggedRun, after: LoggedRun) -> None:
    changes = environment_changes(before, after)
    print("\n".join(["also different:", *(f"  {change}" for change in changes)]) if changes else "same environment")


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
