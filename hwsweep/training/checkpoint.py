"""Checkpoints on disk: tensors, numbers and strings only, so that they load with `weights_only=True`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hwsweep.files import whole


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` under its final name only when it is complete: a killed process leaves the old one."""
    with whole(path) as part, part.open("wb") as file:
        torch.save(state, file)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state that `save` wrote.

    Raises:
        FileNotFoundError: there is none.
        pickle.UnpicklingError: the file holds something else than tensors and plain values.
    """
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state
