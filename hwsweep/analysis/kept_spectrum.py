"""The spectrum of a data set, found once: every run on the same images asks for it."""

from __future__ import annotations

from pathlib import Path

from hwsweep.analysis.kept import kept
from hwsweep.analysis.linear_vae import Spectrum, spectrum
from hwsweep.data import Splits

FORMAT = 1
"""Part of the key: raise it when the same images would have another spectrum."""


def kept_spectrum(splits: Splits, data_digest: str, n_leading: int, likelihood: str, folder: Path) -> Spectrum:
    """The `spectrum` of the training images, kept in `folder`.

    Args:
        data_digest: of `splits`; part of the key.
    """
    made_of = f"{FORMAT} {n_leading} {likelihood} {data_digest}"
    return Spectrum(**kept(folder, made_of, lambda: spectrum(splits.train["image"], n_leading, likelihood)._asdict()))
