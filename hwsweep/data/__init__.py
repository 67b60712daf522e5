"""The contract of data sets. Each data set is one YAML file under conf/dataset."""

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

Images: `image` uint8 (n, c, h, w); if known, `label` int64 (n,) and `factors` float32 (n, f). `intensity` uint8
(n, c, h, w), in a training split only: the probability x 255 with which each batch draws a pixel of `image` as white.
Texts: `token` int32 (n, max_length), padded with 0; `length` int32 (n,), the number of tokens without padding; `label`
int64 (n,); if it is known which tokens decide the label, `key` bool (n, max_length).
"""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Shape of one example by name, without the example axis: {"image": (1, 28, 28)}.

For texts, the sizes that a model needs: {"token": (max_length,), "word": (n_words,), "class": (n_classes,)}.
"""

PAD, UNKNOWN = 0, 1
"""Ids of the tokens `<pad>`, which pads short texts, and `<unk>`, which replaces words outside the vocabulary."""


@dataclass(frozen=True)
class Lexicon:
    """The meaning of token ids and labels. A trained model needs nothing else to read new texts."""

    words: tuple[str, ...]
    """Vocabulary by token id; `<pad>` and `<unk>` first."""
    classes: tuple[str, ...]
    """Names of the classes by label."""
    max_length: int
    """Longest text, in tokens; longer texts are cut."""

    @property
    def shapes(self) -> Shapes:
        """Sizes that a model of these texts needs."""
        return {"token": (self.max_length,), "word": (len(self.words),), "class": (len(self.classes),)}

    def to_json(self) -> str:
        """The lexicon as JSON; `from_json` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Lexicon:
        """The lexicon that `to_json` wrote."""
        fields = json.loads(text)
        return cls(tuple(fields["words"]), tuple(fields["classes"]), int(fields["max_length"]))


@dataclass(frozen=True)
class Splits:
    """Disjoint training, validation and test examples, in memory or memory-mapped."""

    train: Examples
    valid: Examples
    test: Examples
    lexicon: Lexicon | None = None
    """Of texts only."""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The original texts by split ("train", "valid", "test"), in the order of the examples."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    """Statistics of the data by metric key: `data/words`, `data/truncated`, ..."""

    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the names, types, shapes and bytes of all splits. Equal data, equal digest."""
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
    """Origin of the data: an address, a path or the name of the generator. Every run records it."""

    @property
    def shapes(self) -> Shapes:
        """Shape of one example, known before any data is read.

        For texts, sizes that depend on the data are placeholders; the lexicon of the splits has the true ones.
        """
        ...

    def splits(self, seed: int) -> Splits:
        """Disjoint splits, the same for the same seed.

        Raises:
            DataError: the data is missing, damaged or differs from conf; the message says what to do.
        """
        ...


class DataError(Exception):
    """Data is missing, damaged or not as described; the message says what to do."""
