"""Attention as an attribution: what the attention maps of a text show."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


def attention(model: Transformer, batch: Batch, label: Int[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """Share of attention in [0, 1] on each token: mean over layers, heads and attending tokens; the class is not used.

    The same mean as in `test/key_attention`. A text's shares sum to 1, less what the model's own `<cls>` gets.
    """
    maps = model.attention(batch).mean((1, 2))  # rows of padding are 0
    n_prefix = len(model.prefix)
    received = maps.sum(1) / (batch["length"] + n_prefix)[:, None]
    return on_tokens(received, n_prefix, batch)


def on_tokens(received: Float[Tensor, "n k"], n_prefix: int, batch: Batch) -> Float[Tensor, "n t"]:
    """The values of the text's own tokens, one for each entry of `batch["token"]`, 0 at padding."""
    own = received[:, n_prefix:]
    return F.pad(own, (0, batch["token"].shape[1] - own.shape[1]))
