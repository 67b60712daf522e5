"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from torch import Tensor, nn

from hwsweep.argument_checks import check_number
from hwsweep.training.noise import dropout


class Dropout(nn.Module):
    """In training sets each number to 0 with this probability and divides the others by the probability to stay.

    Raises:
        ValueError: `p` is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_number("transformer.dropout", p, "[0, 1)")
        self.p: float | Tensor = p

    @property
    def active(self) -> bool:
        """Whether a call changes its input."""
        return self.training and (isinstance(self.p, Tensor) or self.p > 0)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.active else x
