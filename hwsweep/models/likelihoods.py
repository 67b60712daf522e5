"""What the decoder's output means: the distribution of the pixels given the code."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Likelihood(Protocol):
    """p(x | z), with pixels independent given the decoder's output."""

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-ln p(x | z) in nats per image, >= 0, up to a constant that no weight of the model changes."""
        ...

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """E[x | z] in units of intensity, where white is 1."""
        ...


class Bernoulli(NamedTuple):
    """Each pixel in [0, 1] is the probability of a white dot; the decoder's output is its logit."""

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Cross-entropy in nats per image, summed over pixels and channels; finite for every finite logit."""
        return F.binary_cross_entropy_with_logits(output, image, reduction="none").flatten(1).sum(1)

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Probability of white, in [0, 1]."""
        return torch.sigmoid(output)


class Gaussian(NamedTuple):
    """Each pixel is normal around the decoder's output with the fixed variance `sigma2` (intensity squared)."""

    sigma2: float

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """|x - x_hat|^2 / (2 sigma2) in nats per image; leaves out the constant D/2 ln(2 pi sigma2)."""
        return (output - image).square().flatten(1).sum(1) / (2 * self.sigma2)

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The output itself; may leave [0, 1]."""
        return output
