"""A Transformer encoder that classifies texts (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.argument_checks import check_choice, check_count
from hwsweep.data import Shapes
from hwsweep.models import Batch, Model
from hwsweep.models.attention import require_memory
from hwsweep.models.dropout import Dropout
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.encoder_layer import EncoderLayer
from hwsweep.models.positions import Positions


class Transformer(Model):
    """Tokens + positions -> layers of attention -> one vector per text -> logits of the classes.

    Args:
        shapes: must have "token": (max_length,), "word": (n_words,) and "class": (n_classes,).
        embedding: builds the token embedding from the number of words and the width.
        pooling: "mean" of the tokens, or "cls": the vector of a learned token before each text.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self,
        shapes: Shapes,
        *,
        embedding: Callable[[int, int], TokenEmbedding],
        width: int,
        heads: int,
        layers: int,
        hidden: int,
        dropout: float,
        positions: str,
        norm: str,
        pooling: str,
    ) -> None:
        super().__init__()
        for name, value in {"width": width, "heads": heads, "layers": layers, "hidden": hidden}.items():
            check_count(f"transformer.{name}", value)
        check_choice("transformer.pooling", pooling, ("mean", "cls"))
        if not {"token", "word", "class"} <= shapes.keys():
            raise ValueError(f"a Transformer needs a data set of texts, but this one has {sorted(shapes)}")
        (longest,), (n_words,), (n_classes,) = shapes["token"], shapes["word"], shapes["class"]
        self.heads = heads
        self.embedding = embedding(n_words, width)
        self.positions = Positions(positions, longest=longest, width=width)
        self.cls = nn.Parameter(torch.randn(width) / math.sqrt(width)) if pooling == "cls" else None
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width=width, heads=heads, hidden=hidden, dropout=dropout, norm=norm) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.classify = nn.Linear(width, n_classes)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Names of the tokens that the model puts before each text; `attention` has them too."""
        return () if self.cls is None else ("<cls>",)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Per text: `loss`, the cross-entropy in nats, and `error`, 1 where the most likely class is wrong.

        In evaluation, where the batch says which tokens are `key`: `key_attention`, the share of attention in [0, 1]
        that falls on them, averaged over layers, heads and the queries that are not padding.

        Raises:
            DataError: texts so long that attention in training would not fit in memory.
        """
        need_weights = "key" in batch and not self.training
        logits, maps, real = self._read(batch, need_weights=need_weights)
        label = batch["label"]
        losses = {
            "loss": F.cross_entropy(logits, label, reduction="none"),
            "error": (logits.argmax(1) != label).float(),
        }
        if need_weights:
            key = F.pad(batch["key"], (len(self.prefix), 0))[:, : real.shape[1]]
            losses["key_attention"] = key_attention(maps, key, real)
        return losses

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """`logits` and `probability` of each class, (n, classes); a row of the latter sums to 1."""
        logits, _, _ = self._read(batch, need_weights=False)
        return {"logits": logits, "probability": logits.softmax(1)}

    def attention(self, batch: Batch) -> Float[Tensor, "n layers heads t t"]:
        """Weights of every layer and head up to the longest text: rows = queries sum to 1, those of padding are 0.

        `prefix` and then the text's tokens on both axes; no gradient.
        """
        with torch.no_grad():
            _, maps, real = self._read(batch, need_weights=True)
        return torch.stack(maps, dim=1) * real[:, None, None, :, None]

    @contextmanager
    def silence(self, heads: Bool[Tensor, "layers heads"]) -> Iterator[None]:
        """Inside the `with`, the output of each of these heads is 0."""
        attentions = [cast(EncoderLayer, layer).attention for layer in self.layers]
        for attention, silent in zip(attentions, heads, strict=True):
            attention.gate = (~silent).to(attention.mix.weight)
        try:
            yield
        finally:
            for attention in attentions:
                attention.gate = None

    def _read(self, batch: Batch, *, need_weights: bool) -> tuple[Tensor, list[Tensor], Tensor]:
        """Logits (n, classes), the layers' attention if `need_weights`, and which tokens are not padding (n, t)."""
        length = batch["length"].long()
        longest, shortest = int(length.max()), int(length.min())
        if self.dropout.active and length.device.type == "cpu":  # else attention stores no weights
            require_memory(len(length), longest + len(self.prefix), self.heads, len(self.layers))
        x = self.positions(self.embedding(batch["token"][:, :longest].long()))
        if self.cls is not None:
            x = torch.cat([self.cls.expand(len(x), 1, -1), x], dim=1)
        real = torch.arange(x.shape[1], device=x.device) < length[:, None] + len(self.prefix)
        mask = real if shortest < longest else None  # attention is faster without one
        x = self.dropout(x)
        maps = []
        for layer in self.layers:
            x, weights = layer(x, mask, need_weights=need_weights)
            maps += [weights] if need_weights else []
        x = self.norm(x)
        pooled = x[:, 0] if self.cls is not None else masked_mean(x, real)
        return self.classify(pooled).float(), maps, real


def masked_mean(x: Float[Tensor, "n t width"], real: Bool[Tensor, "n t"]) -> Float[Tensor, "n width"]:
    """Mean of the tokens that are not padding."""
    weight = real / real.sum(1, keepdim=True)
    return (weight[:, None] @ x)[:, 0]


def key_attention(maps: list[Tensor], key: Bool[Tensor, "n t"], real: Bool[Tensor, "n t"]) -> Float[Tensor, " n"]:
    """Share of attention in [0, 1] on the key tokens, averaged over `maps`, their heads and the real queries."""
    share = [torch.einsum("nhqk,nk,nq->n", weights, key.float(), real.float()) / weights.shape[1] for weights in maps]
    return torch.stack(share).mean(0) / real.sum(1)
