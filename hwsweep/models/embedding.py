"""From token ids to vectors: a table with a row per word, learned or copied from word vectors such as GloVe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, SupportsIndex, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.argument_checks import check_choice, check_count
from hwsweep.data import PAD, Splits


@runtime_checkable
class WordVectors(Protocol):
    """Vectors of words, such as GloVe."""

    def rows(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Float32 (n, dim) with a row for each word, zero where it is unknown, and bool (n,): which are known."""
        ...


class RowParameter(nn.Parameter):
    """A table with sparse gradients: a training step changes a few rows. Its optimizer must accept them."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[RowParameter], tuple[Tensor, bool]]:
        """Of its own: torch's makes a plain parameter of the copy in another process."""
        return RowParameter, (self.data, self.requires_grad)


class TokenEmbedding(nn.Module):
    """One vector of `width` per token; padding is always the zero vector.

    Args:
        dim: length of a word's vector in the table; None: `width`. If it is not `width`, a linear map follows.
        frozen: the table is not trained: no gradient, no optimizer state.
        sparse: a training step changes only the rows of the words in its batch.

    Raises:
        ValueError: `dim` is out of range.
    """

    table: Tensor

    def __init__(self, n_words: int, width: int, *, dim: int | None, frozen: bool, sparse: bool) -> None:
        super().__init__()
        dim = width if dim is None else dim
        check_count("embedding.dim", dim)
        check_choice("embedding.frozen", frozen, (True, False))
        check_choice("embedding.sparse", sparse, (True, False))
        table = torch.randn(n_words, dim) / math.sqrt(dim)  # longer vectors would hide the positions
        table[PAD] = 0
        if frozen:
            self.register_buffer("table", table)
        else:
            self.table = RowParameter(table) if sparse else nn.Parameter(table)
        self.map = nn.Identity() if dim == width else nn.Linear(dim, width, bias=False)

    def forward(self, token: Int[Tensor, "n t"]) -> Float[Tensor, "n t width"]:
        sparse = isinstance(self.table, RowParameter)
        vectors: Tensor = self.map(F.embedding(token, self.table, padding_idx=PAD, sparse=sparse))
        return vectors

    @torch.no_grad()
    def initialise(self, vectors: Float[Tensor, "words dim"], found: Bool[Tensor, " words"]) -> None:
        """Copy the vectors of the words found; the others stay random, with the same standard deviation."""
        if vectors.shape != self.table.shape:
            raise ValueError(
                f"`embedding.dim` must equal the length of the vectors in `embedding.vectors`, but got "
                f"{self.table.shape[1]} and {vectors.shape[1]}"
            )
        known = found.to(self.table.device)
        if known.any():
            self.table.mul_(vectors[found].std() * math.sqrt(vectors.shape[1]))
            self.table[known] = vectors[found].to(self.table.device)
            self.table[PAD] = 0


def from_word_vectors(model: nn.Module, splits: Splits, *, vectors: WordVectors | None) -> dict[str, float]:
    """Copy word vectors into the model's embedding; `data/vector_coverage`: their share of the vocabulary.

    Raises:
        ValueError: no word has a vector.
    """
    if vectors is None:
        return {}
    assert splits.lexicon is not None
    assert isinstance(model.embedding, TokenEmbedding)
    rows, found = vectors.rows(splits.lexicon.words)
    n_special = 2  # <pad> and <unk> are not words
    if not found[n_special:].any():
        raise ValueError(
            f"`embedding.vectors` must have words of the texts, but has none of the {len(found) - n_special}, such as "
            f"{', '.join(splits.lexicon.words[n_special:][:5])}. Name other vectors, or set embedding=none"
        )
    model.embedding.initialise(rows, found)
    return {"data/vector_coverage": float(found[n_special:].float().mean())}
