"""Long texts in windows: a text is cut into windows of at most so many tokens, which are read alone and then joined."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


class Windows(NamedTuple):
    """The windows of a batch of texts, text after text; none of them is empty."""

    size: int
    """Tokens of each window but the last of a text."""
    text: Int[Tensor, " m"]
    """The row of the window's text."""
    number: Int[Tensor, " m"]
    """Of the window in its text, from 0."""
    length: Int[Tensor, " m"]
    """Tokens of the window."""
    share: Float[Tensor, "n m"]
    """Of each text's tokens, the part that is in the window; 0 in windows of other texts. Rows sum to 1."""

    def cut(self, values: Tensor) -> Tensor:
        """The windows (m, size, ...) of texts (n, t, ...), t up to the longest text; padded with 0."""
        columns = math.ceil(values.shape[1] / self.size) * self.size
        padded = F.pad(values, (0, 0) * (values.ndim - 2) + (0, columns - values.shape[1]))
        of_texts: Tensor = padded.unflatten(1, (-1, self.size))
        return of_texts[self.text, self.number]

    def mean(self, values: Float[Tensor, "m width"]) -> Float[Tensor, "n width"]:
        """The mean over each text's windows, weighted by their numbers of tokens."""
        return self.share.to(values.dtype) @ values

    def join_maps(self, maps: Float[Tensor, "m heads k k"], longest: int) -> Float[Tensor, "n heads q q"]:
        """Attention of whole texts from that of their windows: between tokens of two windows it is 0.

        k is `size` or, with a learned token before each window, `size` + 1. The texts have this token once: its row is
        the mean over the windows, and its column is what the tokens give to that of their own window.
        """
        n_prefix = maps.shape[-1] - self.size
        n_texts, n_windows = len(self.share), int(self.number.max()) + 1
        whole = maps.new_zeros(
            n_texts, maps.shape[1], n_prefix + n_windows * self.size, n_prefix + n_windows * self.size
        )
        for window in range(n_windows):
            here = (self.number == window).nonzero()[:, 0]
            part, rows = maps[here], self.text[here]
            tokens = slice(n_prefix + window * self.size, n_prefix + (window + 1) * self.size)
            whole[rows, :, tokens, tokens] = part[..., n_prefix:, n_prefix:]
            if n_prefix:
                share = self.share[rows, here][:, None, None]
                whole[rows, :, tokens, 0] = part[..., 1:, 0]
                whole[rows, :, 0, tokens] = share * part[..., 0, 1:]
                whole[rows, :, 0, 0] += share[..., 0] * part[..., 0, 0]
        return whole[..., : n_prefix + longest, : n_prefix + longest]


def windows_of(length: Int[Tensor, " n"], size: int) -> Windows:
    """Each text cut after every `size` tokens; the last window has the rest."""
    count = (length + size - 1) // size
    text = torch.arange(len(length), device=length.device).repeat_interleave(count)
    number = torch.arange(len(text), device=length.device) - (count.cumsum(0) - count)[text]
    tokens = (length[text] - number * size).clamp(max=size)
    own: Bool[Tensor, "n m"] = text == torch.arange(len(length), device=length.device)[:, None]
    return Windows(size, text, number, tokens, own * tokens / length[:, None])
