"""Attributions: how much each token of a text counts for the class that the model predicts. One file per method.

What is explained is ln p(class), in nats. Where a method compares a text with one that lacks a token, that token is
*masked*: it becomes `<pad>` and keeps its place. The vector of `<pad>` is zero in every model, while that of `<unk>` is
random unless training texts have unknown words; and a text keeps its length and the positions of its other tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hwsweep.data import PAD
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer
from hwsweep.training.batches import evaluation_batches

Attribution: TypeAlias = Callable[[Transformer, Batch, Tensor], Tensor]
"""A method: model in evaluation mode, texts on its device, class of each -> a score per token, like `batch["token"]`.

A larger score counts more; padding has 0; scores carry no gradient. Only the order of a text's tokens has a meaning
that all methods share.
"""

TEXTS_AT_ONCE = 256
"""Texts per forward pass: 1.4 times as fast on a CPU as 4096. `evaluation_batches` takes fewer of long texts."""


@torch.no_grad()
def predict(model: Transformer, batch: Batch) -> Int[Tensor, " n"]:
    """The most likely class of each text."""
    return _logits(model, batch).argmax(1)


@torch.no_grad()
def log_probability(model: Transformer, batch: Batch, label: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """ln p(label) of each text, in nats."""
    return _logits(model, batch).log_softmax(1).gather(1, label[:, None])[:, 0]


def is_real(batch: Batch) -> Bool[Tensor, "n t"]:
    """Which tokens are not padding."""
    return torch.arange(batch["token"].shape[1], device=batch["token"].device) < batch["length"][:, None]


def mask_tokens(batch: Batch, masked: Bool[Tensor, "n t"]) -> Batch:
    """The texts without these tokens: `<pad>` in their places, the same lengths."""
    return {**batch, "token": batch["token"].masked_fill(masked, PAD)}


def _logits(model: Transformer, batch: Batch) -> Float[Tensor, "n classes"]:
    """Texts of one length at a time: without padding the masks of a few texts take 0.7 of the time on a CPU."""
    rows = evaluation_batches(batch, TEXTS_AT_ONCE, padded=False)
    logits = [model.outputs({name: values[at] for name, values in batch.items()})["logits"] for at in rows]
    every_row = torch.arange(len(batch["length"]), device=batch["length"].device)
    return torch.cat(logits)[torch.cat([every_row[at] for at in rows]).argsort()]
