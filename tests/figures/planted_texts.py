"""A classifier of texts whose attention and outputs can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hwsweep.data import Lexicon
from hwsweep.figures import Trained

LEXICON = Lexicon(("<pad>", "<unk>", *(f"w{k}" for k in range(2, 40))), ("World", "Sports", "Sci/Tech"), 40)
LAYERS, HEADS = 2, 3


class Planted(nn.Module):
    """Layer l, head h: every word looks only at word l + h, counted from 0; the class is the first word's id % 3."""

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.prefix = prefix
        self.weight = nn.Parameter(torch.zeros(1))

    def outputs(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        chosen = nn.functional.one_hot(batch["token"][:, 0].long() % 3, 3)
        return {"probability": 0.7 * chosen + 0.1 + 0 * self.weight}

    def attention(self, batch: dict[str, Tensor]) -> Tensor:
        n_words = batch["length"].long() + len(self.prefix)
        longest = int(n_words.max())
        maps = torch.zeros(len(n_words), LAYERS, HEADS, longest, longest)
        for text, own in enumerate(n_words.tolist()):
            for layer in range(LAYERS):
                for head in range(HEADS):
                    maps[text, layer, head, :own, min(layer + head, own - 1)] = 1
        return maps


def texts(lengths: Sequence[int], labels: Sequence[int], key: bool = False) -> dict[str, Tensor]:
    """Text i has the tokens i + 2, i + 3, ...; its second token decides the class if `key`."""
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    token = (torch.arange(len(lengths))[:, None] + torch.arange(2, 2 + max(lengths))) * real
    test = {"token": token.int(), "length": torch.tensor(lengths, dtype=torch.int32), "label": torch.tensor(labels)}
    if key:
        test["key"] = (torch.arange(max(lengths)) == 1) & real
    return test


def trained(test: dict[str, Tensor], prefix: tuple[str, ...] = ()) -> Trained:
    return Trained(Planted(prefix).eval(), test, [], "3 heads", LEXICON)
