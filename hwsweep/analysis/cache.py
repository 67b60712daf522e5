"""Results that depend on the data alone: computed once, then read from the user's cache by all runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch

from hwsweep.files import cache_folder, load_or_make
from hwsweep.training import checkpoint


def cached(folder: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The value of `compute()`: tensors and numbers by name. One process computes it, the others wait and read it.

    Args:
        folder: name of the cache folder.
        key: everything that the value depends on; its hash is the name of the file.
    """
    path = cache_folder(folder) / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.pt"
    return load_or_make(path, lambda part: torch.save(compute(), part), checkpoint.load)
