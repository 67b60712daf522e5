"""A Transformer whose attention is forced onto known words, which alone decide the class."""

from __future__ import annotations

import torch
from small_texts import transformer
from torch import nn

from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer

KEYS, NOISE = (2, 3), (4, 5, 6, 7)
"""Ids of the words that decide for class 0 and 1, and of all others."""


def forced(strength: float = 8.0, heads: int = 1) -> Transformer:
    """A word is (key, class, noise). All words attend to the words with `key`, whose `class` +1 or -1 decides.

    Without key words, as when they are masked, the logits are equal, and class 0 is predicted. The first head does
    this; a second one attends to all words alike and gives nothing.
    """
    shapes = {"token": (12,), "word": (8,), "class": (2,)}
    model = transformer(shapes, embedding=lambda n, width: _table(), width=4, heads=heads)
    for name, parameter in model.named_parameters():
        if not name.startswith("embedding"):
            nn.init.zeros_(parameter)
    layer = model.layers[0]
    layer.norms = nn.ModuleList([nn.Identity(), nn.Identity()])
    with torch.no_grad():
        layer.attention.project.bias[0] = 2 * strength  # every query is (2 strength, 0, 0, 0); one head divides by 2
        layer.attention.project.weight[4, 0] = 1  # the key of a word is its `key`
        layer.attention.project.weight[9, 1] = 1  # its value is its `class`
        layer.attention.mix.weight[1, 1] = 3
        model.classify.weight[:, 1] = torch.tensor([1.0, -1.0])
    return model


def texts(n: int = 40, length: int = 9, seed: int = 0) -> Batch:
    """Texts of noise with one key word each, at any place."""
    generator = torch.Generator().manual_seed(seed)
    token = torch.randint(NOISE[0], NOISE[-1] + 1, (n, length), generator=generator, dtype=torch.int32)
    label = torch.randint(0, 2, (n,), generator=generator)
    place = torch.randint(0, length, (n,), generator=generator)
    token[torch.arange(n), place] = torch.tensor(KEYS, dtype=torch.int32)[label]
    key = torch.arange(length) == place[:, None]
    return {"token": token, "length": torch.full((n,), length, dtype=torch.int32), "label": label, "key": key}


def _table() -> nn.Module:
    rows = torch.zeros(8, 4)
    rows[list(KEYS), 0] = 1
    rows[list(KEYS), 1] = torch.tensor([1.0, -1.0])
    rows[list(NOISE), 2] = torch.tensor([-1.0, 1.0, -2.0, 2.0])
    return nn.Embedding.from_pretrained(rows)
