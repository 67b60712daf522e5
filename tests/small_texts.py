"""A small Transformer and a few texts of different lengths."""

from __future__ import annotations

from functools import partial

import torch

from hwsweep.data import Lexicon
from hwsweep.models import Batch
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.transformer import Transformer

LEXICON = Lexicon(("<pad>", "<unk>", *"abcdefghijk"), ("x", "y", "z"), 11)


def model(pooling: str = "mean", layers: int = 2, seed: int = 3, window: int | None = None) -> Transformer:
    torch.manual_seed(seed)
    embedding = partial(TokenEmbedding, dim=None, frozen=False, sparse=False)
    settings = {"hidden": 5, "dropout": 0.3, "positions": "sinusoidal", "norm": "pre", "window": window}
    return Transformer(
        LEXICON.shapes, embedding=embedding, width=6, heads=3, layers=layers, pooling=pooling, **settings
    ).eval()


def batch(lengths: tuple[int, ...] = (7, 3, 5, 1), width: int = 8, seed: int = 0) -> Batch:
    """Texts of random words; the second word is the key where there is one, else the first."""
    generator = torch.Generator().manual_seed(seed)
    length = torch.tensor(lengths, dtype=torch.int32)
    real = torch.arange(width) < length[:, None]
    token = torch.randint(2, 13, (len(lengths), width), generator=generator, dtype=torch.int32) * real
    key = torch.arange(width) == length[:, None].clamp(max=2) - 1
    return {"token": token, "length": length, "label": torch.zeros(len(lengths), dtype=torch.int64), "key": key}
