"""Leave-one-out: the effect of masking each token alone (Li et al. 2016, arXiv:1612.08220)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hwsweep.analysis.attributions import is_real, log_probability, mask_tokens
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


def leave_one_out(model: Transformer, batch: Batch, label: Int[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """ln p(label) of the text minus that of the text with the token masked, per token, in nats."""
    text, place = is_real(batch).nonzero(as_tuple=True)
    each = {name: values[text] for name, values in batch.items()}
    alone = torch.arange(batch["token"].shape[1], device=place.device) == place[:, None]
    masked = log_probability(model, mask_tokens(each, alone), label[text])
    effect = masked.new_zeros(batch["token"].shape)
    effect[text, place] = log_probability(model, batch, label)[text] - masked
    return effect
