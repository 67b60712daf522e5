"""Gradient times input: the first-order effect of a token's vector (Shrikumar et al. 2016, arXiv:1605.01713)."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from hwsweep.analysis.attributions.vectors import scaled_gradient, scores_of_tokens
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


def gradient_x_input(model: Transformer, batch: Batch, label: Int[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """vector . d ln p(label) / d vector of each token, in nats: ln p(label) lost without it, were the model linear."""
    vectors, gradient = scaled_gradient(model, batch, label, 1.0)
    return scores_of_tokens(vectors * gradient, batch)
