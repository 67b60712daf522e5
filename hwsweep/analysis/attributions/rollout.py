"""Attention rollout: attention through all layers and their residual connections (Abnar & Zuidema 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hwsweep.analysis.attributions.attention import on_tokens
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


def rollout(model: Transformer, batch: Batch, label: Int[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """Share in [0, 1] of each token in what the model pools, traced back through all layers; the class is not used.

    Per layer the heads' mean A becomes (A + I) with rows divided by their sums; the layers' matrices are multiplied
    (arXiv:2005.00928, equation 1). The row of `<cls>` is what the model classifies; with mean pooling all rows' mean.
    """
    n_prefix = len(model.prefix)
    maps = model.attention(batch).mean(2)
    identity = torch.eye(maps.shape[-1], device=maps.device)
    through = identity.expand(len(maps), -1, -1)
    for of_layer in maps.unbind(1):
        mixed = of_layer + identity
        through = mixed / mixed.sum(2, keepdim=True) @ through
    if n_prefix:
        return on_tokens(through[:, 0], n_prefix, batch)
    rows = torch.arange(maps.shape[-1], device=maps.device) < batch["length"][:, None]
    return on_tokens((through * rows[..., None]).sum(1) / batch["length"][:, None], 0, batch)
