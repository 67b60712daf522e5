"""Position encodings: one vector per position, added to the vector of the token."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwsweep.argument_checks import check_choice

LEARNED_SCALE = 0.02
"""Standard deviation of learned positions before training, as in BERT."""


class Positions(nn.Module):
    """Sinusoidal (fixed, Vaswani et al. 2017, section 3.5) or learned vectors of the positions 0, 1, ...

    Raises:
        ValueError: `kind` is neither.
    """

    table: Tensor

    def __init__(self, kind: str, *, longest: int, width: int) -> None:
        super().__init__()
        check_choice("transformer.positions", kind, ("sinusoidal", "learned"))
        if kind == "learned":
            self.table = nn.Parameter(LEARNED_SCALE * torch.randn(longest, width))
        else:
            self.register_buffer("table", sinusoidal(longest, width), persistent=False)

    def forward(self, x: Float[Tensor, "n t width"]) -> Float[Tensor, "n t width"]:
        return x + self.table[: x.shape[1]]


def sinusoidal(longest: int, width: int) -> Float[Tensor, "longest width"]:
    """sin(position / 10000^(2i / width)) at index 2i, the cosine of the same angle at 2i + 1 (Vaswani et al. 2017)."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(longest, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width].float()
