"""Data sets: the contract. One file a subject; each data set is one YAML under conf/dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Examples: TypeAlias = "dict[str, Tensor]"
"""Tensors in their storage type; first axis = example.

Images: `image` uint8 (n, c, h, w), and where they are known `label` int64 (n,) and `factors` float32 (n, f).
Texts: `token` int32 (n, max_length) padded with 0, `length` int32 (n,) the tokens that are no padding, `label` int64
(n,), and where it is known which tokens decide the label, `key` bool (n, max_length).
"""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""What one example looks like, by name, without the example axis: {"image": (1, 28, 28)}.

Of texts the sizes that a model needs: {"token": (max_length,), "word": (n_words,), "class": (n_classes,)}.
"""

PAD, UNKNOWN = 0, 1
"""Ids of the tokens `<pad>`, which fills a text up to the longest, and `<unk>`, a word not in the vocabulary."""


@dataclass(frozen=True)
class Lexicon:
    """What the ids of texts mean; learned from the training texts, and all a trained model needs of them."""

    words: tuple[str, ...]
    """By token id; `<pad>` and `<unk>` first."""
    classes: tuple[str, ...]
    """By label."""
    max_length: int
    """Tokens of a text that are kept; what follows them is cut off."""

    @property
    def shapes(self) -> Shapes:
        """The sizes that a model of these texts is built with."""
        return {"token": (self.max_length,), "word": (len(self.words),), "class": (len(self.classes),)}

    def to_json(self) -> str:
        """All of it, as `from_json` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Lexicon:
        """The lexicon that `to_json` wrote."""
        noted = json.loads(text)
        return cls(tuple(noted["words"]), tuple(noted["classes"]), int(noted["max_length"]))


@dataclass(frozen=True)
class Splits:
    """Disjoint training, validation and test examples, in memory or memory-mapped."""

    train: Examples
    valid: Examples
    test: Examples
    lexicon: Lexicon | None = None
    """Of texts."""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The texts as they were read, by split ("train", "valid", "test"), in the order of the examples."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What reading the data found out, by metric key: `data/words`, `data/truncated`, ..."""

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
        """What one example looks like; known before any data is read.

        Of texts, sizes that only the data tells are placeholders; the splits' lexicon has the real ones.
        """
        ...

    def splits(self, seed: int) -> Splits:
        """Disjoint splits, the same for the same seed.

        Raises:
            DataError: the data is missing, damaged or not what conf says; the message tells the way out.
        """
        ...


class DataError(Exception):
    """Data is missing, damaged or not as described; the message says what to do."""
