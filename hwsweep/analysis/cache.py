"""What depends on the data alone, found once and kept on disk for all runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from hwsweep.training import checkpoint


def kept(folder: Path, made_of: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, kept in `folder` as a checkpoint: one process makes it, the others wait and read it.

    Args:
        made_of: all that it depends on; its hash is the file's name.
    """
    path = folder / f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.pt"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            checkpoint.save(path, make())
    return checkpoint.load(path)
