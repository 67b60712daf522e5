"""Data sets: the contract. One file a subject; each data set is one YAML under conf/dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Examples: TypeAlias = "dict[str, Tensor]"
"""Tensors in their storage type (`image` uint8 (n, c, h, w), `label` int64 (n,), ...); first axis = example."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""What one example looks like, by name, without the example axis: {"image": (1, 28, 28)}."""


@dataclass(frozen=True)
class Splits:
    """Disjoint training, validation and test examples, in memory or memory-mapped."""

    train: Examples
    valid: Examples
    test: Examples

    def digest(self) -> str:
        """SHA-256 (64 hex digits) of every split's names, types, shapes and bytes: equal data, equal digest."""
        digest = hashlib.sha256()
        for split in (self.train, self.valid, self.test):
            for name, values in sorted(split.items()):
                digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
                digest.update(values.contiguous().numpy().data)
        return digest.hexdigest()


class Dataset(Protocol):
    """What conf/dataset/*.yaml instantiates. The constructor checks its arguments and reads no data."""

    name: str
    """Short name, as in conf/dataset."""
    source: str
    """Where the data comes from: an address, a path or the name of the generator. Recorded with every run."""

    @property
    def shapes(self) -> Shapes:
        """What one example looks like; known before any data is read."""
        ...

    def splits(self, seed: int) -> Splits:
        """Disjoint splits, the same for the same seed.

        Raises:
            DataError: the data is missing, damaged or not what conf says; the message tells the way out.
        """
        ...


class DataError(Exception):
    """Data is missing, damaged or not as described; the message says what to do."""
