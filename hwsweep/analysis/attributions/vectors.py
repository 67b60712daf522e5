"""The vectors of a text's tokens as an input of the model: gradients with respect to them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer


class _ScaledVectors:
    """A hook that multiplies what the embedding returns, and remembers it before and after."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...], vectors: Tensor) -> Tensor:
        self.vectors = vectors.detach()
        self.scaled = (self.scale * self.vectors).requires_grad_()
        return self.scaled


def scaled_gradient(
    model: Transformer, batch: Batch, label: Int[Tensor, " n"], scale: float
) -> tuple[Float[Tensor, "n t width"], Float[Tensor, "n t width"]]:
    """The vectors of the tokens, and d ln p(label) / d vector where all vectors are multiplied by `scale`.

    Positions are not scaled. `t` is the longest text of the batch.
    """
    with torch.inference_mode(False), torch.enable_grad():
        hook = model.embedding.register_forward_hook(found := _ScaledVectors(scale))
        try:
            logits = model.outputs(batch)["logits"]
        finally:
            hook.remove()
        log_probability = logits.log_softmax(1).gather(1, label.clone()[:, None])  # of a label from inference mode
        (gradient,) = torch.autograd.grad(log_probability.sum(), found.scaled)
    return found.vectors, gradient


def scores_of_tokens(values: Float[Tensor, "n t width"], batch: Batch) -> Float[Tensor, "n tokens"]:
    """The sum over the width, with 0 where the model read no token; a score for each entry of `batch["token"]`."""
    scores = values.new_zeros(batch["token"].shape)
    scores[:, : values.shape[1]] = values.sum(2)
    return scores
