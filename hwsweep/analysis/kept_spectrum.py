"""The spectrum of a data set, found once: every run on the same images asks for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filelock import FileLock

from hwsweep import checkpoint
from hwsweep.analysis.linear_vae import Spectrum, spectrum
from hwsweep.data import Splits

FORMAT = 1
"""Part of the key: raise it when the same images would have another spectrum."""


def kept_spectrum(splits: Splits, data_digest: str, n_leading: int, likelihood: str, folder: Path) -> Spectrum:
    """The `spectrum` of the training images, kept in `folder`: one process finds it, the others wait.

    Args:
        data_digest: of `splits`; part of the key.
    """
    key = hashlib.sha256(f"{FORMAT} {n_leading} {likelihood} {data_digest}".encode()).hexdigest()[:32]
    path = folder / f"{key}.pt"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            checkpoint.save(path, spectrum(splits.train["image"], n_leading, likelihood)._asdict())
    return Spectrum(**checkpoint.load(path))
