"""One layer of a Transformer encoder: attention between tokens, then a network for each token alone."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from hwsweep.argument_checks import check_choice
from hwsweep.models.attention import SelfAttention
from hwsweep.models.dropout import Dropout


class EncoderLayer(nn.Module):
    """x + attention, then x + network, with a LayerNorm before each ("pre") or after each sum ("post").

    Vaswani et al. 2017 (arXiv:1706.03762) use "post"; "pre" trains without warm-up (Xiong et al. 2020,
    arXiv:2002.04745).

    Raises:
        ValueError: `norm` is neither, or a size or `dropout` is out of range.
    """

    def __init__(self, *, width: int, heads: int, hidden: int, dropout: float, norm: str) -> None:
        super().__init__()
        check_choice("transformer.norm", norm, ("pre", "post"))
        self.norm_first = norm == "pre"
        self.attention = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "n t width"], real: Bool[Tensor, "n t"] | None, *, need_weights: bool
    ) -> tuple[Float[Tensor, "n t width"], Float[Tensor, "n heads t t"] | None]:
        """The tokens after the layer and, if `need_weights`, the weights of its attention (see `SelfAttention`)."""
        attention_norm, network_norm = self.norms
        if self.norm_first:
            mixed, weights = self.attention(attention_norm(x), real, need_weights=need_weights)
            x = x + self.dropout(mixed)
            return x + self.dropout(self.network(network_norm(x))), weights
        mixed, weights = self.attention(x, real, need_weights=need_weights)
        x = attention_norm(x + self.dropout(mixed))
        return network_norm(x + self.dropout(self.network(x))), weights
