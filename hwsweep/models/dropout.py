"""Dropout (Srivastava et al. 2014) whose noise costs a CPU little."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.startup import plain

LEVELS = 2**16
"""A unit is dropped if its 16 random bits are below a threshold: the probability is exact to 1 / 65,536."""


class Dropout(nn.Module):
    """In training sets each number to 0 with this probability and divides the others by the probability to stay.

    On a CPU, `torch.nn.Dropout` draws one float per number; here one draw of 64 bits serves four numbers.

    Raises:
        ValueError: `p` is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not (isinstance(p, int | float) and 0 <= p < 1):
            raise ValueError(f"`transformer.dropout` must lie in [0, 1), but got {p!r}")
        self.p = p

    @property
    def active(self) -> bool:
        """Whether a call changes its input."""
        return self.training and self.p > 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return x
        # gain: 15 % of a training step of the Transformer on one thread, 25 % on two
        if x.device.type != "cpu" or plain():
            return F.dropout(x, self.p)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        threshold = min(round(self.p * LEVELS), LEVELS - 1)
        stays = bits[: x.numel()].view(x.shape) >= threshold - LEVELS // 2
        return x * stays.to(x.dtype).mul_(LEVELS / (LEVELS - threshold))
