"""From token ids to vectors: a table with a row per word, learned or taken from word vectors such as GloVe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.data import PAD, Splits


@runtime_checkable
class WordVectors(Protocol):
    """Where vectors of words come from."""

    def rows(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Float32 (n, dim) with a row for each word, zero where it is unknown, and bool (n,): which are known."""
        ...


class RowParameter(nn.Parameter):
    """A table of which one step touches a few rows: its gradients are sparse, and its optimizer must take them."""


class TokenEmbedding(nn.Module):
    """One vector of `width` per token; padding is the zero vector and stays it.

    Args:
        dim: length of a word's vector in the table; None: `width`. Another than `width` is mapped to it linearly.
        frozen: the table is not trained: no gradient, no optimizer state.
        sparse: a training step touches only the rows of the words in its batch.

    Raises:
        ValueError: `dim` is out of range.
    """

    table: Tensor

    def __init__(self, n_words: int, width: int, *, dim: int | None, frozen: bool, sparse: bool) -> None:
        super().__init__()
        dim = width if dim is None else dim
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f"`embedding.dim` must be a whole number >= 1 or null, but got {dim!r}")
        table = torch.randn(n_words, dim) / math.sqrt(dim)  # longer vectors would drown the positions
        table[PAD] = 0
        if frozen:
            self.register_buffer("table", table)
        else:
            self.table = RowParameter(table) if sparse else nn.Parameter(table)
        self.map = nn.Identity() if dim == width else nn.Linear(dim, width, bias=False)

    def forward(self, token: Int[Tensor, "n t"]) -> Float[Tensor, "n t width"]:
        """The tokens' vectors."""
        sparse = isinstance(self.table, RowParameter)
        vectors: Tensor = self.map(F.embedding(token, self.table, padding_idx=PAD, sparse=sparse))
        return vectors

    @torch.no_grad()
    def start_from(self, vectors: Float[Tensor, "words dim"], found: Bool[Tensor, " words"]) -> None:
        """Take the vectors of the words found; the others are drawn at random with the same standard deviation."""
        if vectors.shape != self.table.shape:
            raise ValueError(
                f"`embedding.dim` must be that of the word vectors, but got "
                f"{self.table.shape[1]} and {vectors.shape[1]} of `embedding.vectors`"
            )
        known = found.to(self.table.device)
        if known.any():
            self.table.mul_(vectors[found].std() * math.sqrt(vectors.shape[1]))
            self.table[known] = vectors[found].to(self.table.device)
            self.table[PAD] = 0


def from_word_vectors(model: nn.Module, splits: Splits, *, vectors: WordVectors | None) -> dict[str, float]:
    """Copy word vectors into the model's embedding; `data/vector_coverage`: share of the vocabulary that has one."""
    if vectors is None:
        return {}
    assert splits.lexicon is not None
    assert isinstance(model.embedding, TokenEmbedding)
    rows, found = vectors.rows(splits.lexicon.words)
    model.embedding.start_from(rows, found)
    specials = 2  # <pad> and <unk> are no words
    return {"data/vector_coverage": float(found[specials:].float().mean())}
