"""A Transformer encoder that classifies texts (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.data import Shapes
from hwsweep.models import Batch, Model
from hwsweep.models.attention import require_memory
from hwsweep.models.dropout import Dropout
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.encoder_layer import EncoderLayer
from hwsweep.models.positions import Positions
from hwsweep.models.windows import Windows, windows_of
from hwsweep.training.noise import dropout


class Transformer(Model):
    """Tokens + positions -> layers of attention -> one vector per text -> logits of the classes.

    Args:
        shapes: must have "token": (max_length,), "word": (n_words,) and "class": (n_classes,).
        embedding: builds the token embedding from the number of words and the width.
        pooling: "mean" of the tokens, or "cls": the vector of a learned token before each text.
        window: tokens; a longer text is read in windows of so many, each alone and with the first positions, and the
            vector of the text is the mean of theirs, weighted by their numbers of tokens; None to read any text whole.
        word_dropout: in training, the probability that a word's vector is zero, as that of `<pad>` is.
        word_mean: a linear map of the mean of the words' vectors is added to the logits: a path without attention.

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
        window: int | None,
        word_dropout: float,
        word_mean: bool,
    ) -> None:
        super().__init__()
        for name, value in {"width": width, "heads": heads, "layers": layers, "hidden": hidden}.items():
            check_count(f"transformer.{name}", value)
        check_count("transformer.window", window, unit="tokens", or_null=True)
        check_choice("transformer.pooling", pooling, ("mean", "cls"))
        check_number("transformer.word_dropout", word_dropout, "[0, 1)")
        check_choice("transformer.word_mean", word_mean, (True, False))
        if not {"token", "word", "class"} <= shapes.keys():
            raise ValueError(f"a Transformer needs a data set of texts, but this one has {sorted(shapes)}")
        (longest,), (n_words,), (n_classes,) = shapes["token"], shapes["word"], shapes["class"]
        self.heads, self.window, self.word_dropout = heads, window, word_dropout
        self.embedding = embedding(n_words, width)
        self.positions = Positions(positions, longest=min(longest, window or longest), width=width)
        self.cls = nn.Parameter(torch.randn(width) / math.sqrt(width)) if pooling == "cls" else None
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width=width, heads=heads, hidden=hidden, dropout=dropout, norm=norm) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.classify = nn.Linear(width, n_classes)
        self.classify_words = nn.Linear(width, n_classes, bias=False) if word_mean else None

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
        logits, maps, real, windows = self._read(batch, need_weights=need_weights)
        label = batch["label"]
        losses = {
            "loss": F.cross_entropy(logits, label, reduction="none"),
            "error": (logits.argmax(1) != label).float(),
        }
        if need_weights:
            key = batch["key"][:, : int(batch["length"].max())]
            key = F.pad(key if windows is None else windows.cut(key), (len(self.prefix), 0))
            share = key_attention(maps, key, real)
            losses["key_attention"] = share if windows is None else windows.mean(share[:, None])[:, 0]
        return losses

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """`logits` and `probability` of each class, (n, classes); a row of the latter sums to 1."""
        logits, *_ = self._read(batch, need_weights=False)
        return {"logits": logits, "probability": logits.softmax(1)}

    def numbers(self) -> dict[str, list[tuple[nn.Module, str]]]:
        return {"transformer.dropout": [(module, "p") for module in self.modules() if isinstance(module, Dropout)]}

    def attention(self, batch: Batch) -> Float[Tensor, "n layers heads t t"]:
        """Weights of every layer and head up to the longest text: rows = queries sum to 1, those of padding are 0.

        `prefix` and then the text's tokens on both axes; no gradient. Tokens of two windows have weight 0.
        """
        with torch.no_grad():
            _, maps, real, windows = self._read(batch, need_weights=True)
        maps = [of_layer * real[:, None, :, None] for of_layer in maps]
        if windows is not None:
            maps = [windows.join_maps(of_layer, int(batch["length"].max())) for of_layer in maps]
        return torch.stack(maps, dim=1)

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

    def _read(self, batch: Batch, *, need_weights: bool) -> tuple[Tensor, list[Tensor], Tensor, Windows | None]:
        """Logits (n, classes); per text or, if there are any, window: the layers' attention, and which tokens are real.

        Attention only if `need_weights`; real tokens are those that are not padding, (n or windows, t).
        """
        length = batch["length"].long()
        longest = int(length.max())
        windows = None
        if self.window is not None and longest > self.window:
            windows = windows_of(length, self.window)
        n_read, n_tokens = (len(length), longest) if windows is None else (len(windows.length), windows.size)
        if self.dropout.active and length.device.type == "cpu":  # else attention stores no weights
            n_tokens += len(self.prefix)
            require_memory(n_read, n_tokens, self.heads, len(self.layers), "texts" if windows is None else "windows")
        words = self._words(batch["token"][:, :longest])
        x = words
        if windows is not None:
            x, length = windows.cut(x), windows.length
        pooled, maps, real = self._encode(x, length, need_weights=need_weights)
        logits = self.classify(pooled if windows is None else windows.mean(pooled))
        if self.classify_words is not None:
            is_word = torch.arange(longest, device=length.device) < batch["length"][:, None]
            logits = logits + self.classify_words(masked_mean(words, is_word))
        return logits.float(), maps, real, windows

    def _words(self, token: Int[Tensor, "n t"]) -> Float[Tensor, "n t width"]:
        """The vectors of the words; in training without those that are dropped."""
        words: Tensor = self.embedding(token.long())
        if not (self.training and self.word_dropout > 0):
            return words
        return words * (dropout(torch.ones_like(words[..., :1]), self.word_dropout) > 0)

    def _encode(
        self, x: Float[Tensor, "n t width"], length: Int[Tensor, " n"], *, need_weights: bool
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """The vector of each text (or window) of so many tokens, the layers' attention, and which tokens are real."""
        shortest, longest = int(length.min()), x.shape[1]
        x = self.positions(x)
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
        return x[:, 0] if self.cls is not None else masked_mean(x, real), maps, real


def masked_mean(x: Float[Tensor, "n t width"], real: Bool[Tensor, "n t"]) -> Float[Tensor, "n width"]:
    """Mean of the tokens that are not padding."""
    weight = real / real.sum(1, keepdim=True)
    return (weight[:, None] @ x)[:, 0]


def key_attention(maps: list[Tensor], key: Bool[Tensor, "n t"], real: Bool[Tensor, "n t"]) -> Float[Tensor, " n"]:
    """Share of attention in [0, 1] on the key tokens, averaged over `maps`, their heads and the real queries."""
    share = [torch.einsum("nhqk,nk,nq->n", weights, key.float(), real.float()) / weights.shape[1] for weights in maps]
    return torch.stack(share).mean(0) / real.sum(1)
