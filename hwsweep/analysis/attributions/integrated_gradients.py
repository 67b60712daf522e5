"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hwsweep.analysis.attributions.vectors import scaled_gradient, scores_of_tokens
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


def integrated_gradients(
    model: Transformer, batch: Batch, label: Int[Tensor, " n"], steps: int
) -> Float[Tensor, "n t"]:
    """vector . mean gradient on the line from masked tokens (zero vectors) to the text, per token, in nats.

    With enough steps the scores of a text sum to ln p(label) minus that of the text with all tokens masked
    (completeness, their proposition 1).

    Args:
        steps: points of the line, those of the Gauss-Legendre rule.
    """
    points, weights = np.polynomial.legendre.leggauss(steps)  # on (-1, 1)
    total = torch.zeros(())
    for point, weight in zip(points.tolist(), weights.tolist(), strict=True):
        vectors, gradient = scaled_gradient(model, batch, label, (point + 1) / 2)
        total = total.to(gradient.device) + gradient * weight / 2
    return scores_of_tokens(vectors * total, batch)
