"""A small Transformer, a few texts of different lengths, and the plan of conf for texts."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from hwsweep.data import Lexicon
from hwsweep.data.texts.tokens import TextPlan
from hwsweep.models import Batch
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.transformer import Transformer

LEXICON = Lexicon(("<pad>", "<unk>", *"abcdefghijk"), ("x", "y", "z"), 11)


def text_plan(**changes: Any) -> TextPlan:
    """All words, whole texts, and the warnings of a default run; with these changes."""
    settings: dict[str, Any] = {"min_freq": 1, "max_size": None, "max_length": None}
    return TextPlan(**(settings | {"warn_unknown": 0.2, "warn_unsplit": 0.5, "warn_letters": 0.2} | changes))


def transformer(shapes: dict[str, tuple[int, ...]], **changes: Any) -> Transformer:
    """A Transformer in evaluation mode with one head of width 2, and these changes of the settings."""
    settings: dict[str, Any] = {
        "embedding": partial(TokenEmbedding, dim=None, frozen=False, sparse=False),
        "width": 2,
        "heads": 1,
        "layers": 1,
        "hidden": 1,
        "dropout": 0.0,
        "positions": "learned",
        "norm": "post",
        "pooling": "mean",
        "window": None,
        "word_dropout": 0.0,
        "word_mean": False,
    }
    return Transformer(shapes, **(settings | changes)).eval()


def model(
    pooling: str = "mean", layers: int = 2, seed: int = 3, window: int | None = None, word_mean: bool = False
) -> Transformer:
    torch.manual_seed(seed)
    settings = {"hidden": 5, "dropout": 0.3, "positions": "sinusoidal", "norm": "pre", "window": window}
    settings["word_mean"] = word_mean
    return transformer(LEXICON.shapes, width=6, heads=3, layers=layers, pooling=pooling, **settings)


def batch(lengths: tuple[int, ...] = (7, 3, 5, 1), width: int = 8, seed: int = 0) -> Batch:
    """Texts of random words; the second word is the key where there is one, else the first."""
    generator = torch.Generator().manual_seed(seed)
    length = torch.tensor(lengths, dtype=torch.int32)
    real = torch.arange(width) < length[:, None]
    token = torch.randint(2, 13, (len(lengths), width), generator=generator, dtype=torch.int32) * real
    key = torch.arange(width) == length[:, None].clamp(max=2) - 1
    return {"token": token, "length": length, "label": torch.zeros(len(lengths), dtype=torch.int64), "key": key}
