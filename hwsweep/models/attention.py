"""Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2)."""

from __future__ import annotations

import math

import psutil
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.data import DataError
from hwsweep.models.dropout import Dropout
from hwsweep.training.noise import draws_for_trials

BYTES_PER_WEIGHT = 12
"""Of attention in training: the weight, its dropout mask and their product are stored for the gradient."""


class SelfAttention(nn.Module):
    """Each token becomes a weighted mean of all tokens of its text, once per head; a linear map joins the heads.

    `gate` multiplies what each head gives to that map (Michel et al. 2019, arXiv:1905.10650, section 2.3): 0 silences
    the head; None, as in training, leaves all as they are.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    gate: Float[Tensor, " heads"] | None

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads != 0:
            divisors = ", ".join(str(number) for number in range(1, width + 1) if width % number == 0)
            raise ValueError(
                f"`transformer.heads` must divide `transformer.width`, but got heads={heads}, width={width}; "
                f"divisors: {divisors}"
            )
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)  # queries, keys, values
        self.mix = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.register_buffer("gate", None, persistent=False)

    def forward(
        self, x: Float[Tensor, "n t width"], real: Bool[Tensor, "n t"] | None, *, need_weights: bool
    ) -> tuple[Float[Tensor, "n t width"], Float[Tensor, "n heads t t"] | None]:
        """The new tokens and, if `need_weights`, the weights: rows are queries and sum to 1, padding has weight 0.

        Args:
            real: which tokens are not padding, at least one in each text; None: all.
        """
        query, key, value = self.project(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        mask = None if real is None else real[:, None, None, :]
        weights = None
        # torch's fused attention with dropout is slow on a CPU, and has its own noise
        if need_weights or (self.dropout.active and (x.device.type == "cpu" or draws_for_trials())):
            weights = attention_weights(query, key, mask)
            mixed = self.dropout(weights) @ value
        else:
            p = float(self.dropout.p) if self.training else 0.0
            mixed = F.scaled_dot_product_attention(query, key, value, mask, p)
        if self.gate is not None:
            mixed = mixed * self.gate[:, None, None]
        return self.mix(mixed.transpose(1, 2).flatten(2)), weights if need_weights else None


def attention_weights(
    query: Float[Tensor, "n heads t d"], key: Float[Tensor, "n heads t d"], mask: Bool[Tensor, "n 1 1 t"] | None
) -> Float[Tensor, "n heads t t"]:
    """softmax(query key^T / sqrt(d)) over the keys where `mask` is True (Vaswani et al. 2017, equation 1)."""
    scores = query @ (key / math.sqrt(key.shape[-1])).transpose(2, 3)
    return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)


def require_memory(n_texts: int, n_tokens: int, heads: int, layers: int, unit: str) -> None:
    """Refuse a training batch whose attention weights need more memory than this machine has.

    Args:
        unit: what attends within itself: "texts" or "windows" of texts.

    Raises:
        DataError: they do; the message gives their length, the longest that fits and the settings to change.
    """
    n_bytes = BYTES_PER_WEIGHT * layers * heads * n_texts * n_tokens**2
    if n_bytes > (memory := psutil.virtual_memory().total):
        longest = math.isqrt(memory // (BYTES_PER_WEIGHT * layers * heads * n_texts))
        ways = f"cut texts with dataset.plan.max_length (at most {longest:,} fit), read them in windows with "
        ways += "transformer.window, or set a smaller batch_size"
        if unit == "windows":
            ways = "set a smaller batch_size or transformer.window, or cut texts with dataset.plan.max_length"
        raise DataError(
            f"{n_texts:,} {unit} of up to {n_tokens:,} tokens would run out of memory: attention of {heads} heads, "
            f"{layers} layers takes {n_bytes / 1e9:,.0f} GB, the machine has {memory / 1e9:,.0f}; {ways}"
        )
