"""Likelihoods: the distribution of the pixels given the decoder's output."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


@runtime_checkable
class Likelihood(Protocol):
    """p(x | z), with pixels independent given the decoder's output."""

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-ln p(x | z) in nats per image, up to a constant; >= 0 unless a variance is learned."""
        ...

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """E[x | z] in units of intensity, where white is 1."""
        ...


class Bernoulli(NamedTuple):
    """Each pixel in [0, 1] is the probability of a white dot; the decoder's output is its logit."""

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return F.binary_cross_entropy_with_logits(output, image, reduction="none").flatten(1).sum(1)

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return torch.sigmoid(output)


class Gaussian(NamedTuple):
    """Each pixel is normal around the decoder's output with the fixed variance `sigma2` (intensity squared).

    The distortion leaves out the constant D/2 ln(2 pi sigma2); the mean may leave [0, 1].
    """

    sigma2: float

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return (output - image).square().flatten(1).sum(1) / (2 * self.sigma2)

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return output


MIN_SIGMA2 = 1 / (12 * 255**2)
"""Intensity squared: the variance of rounding to bytes (a uniform error of width 1/255)."""

N_AVERAGED = 100
"""Training batches in the running mean of the variance for evaluation."""


class OptimalGaussian(nn.Module):
    """Each pixel is normal around the decoder's output with one variance for all pixels, the most likely one.

    The optimal-sigma VAE of Rybkin et al. 2021 (arXiv:2006.13202): d/d sigma2 of the mean distortion vanishes where
    sigma2 is the mean squared error over images, pixels and channels. In training mode that is the error of the current
    batch, taken as a constant (at the optimum its own gradient is 0). In evaluation mode it is a running mean of the
    training batches' errors, part of checkpoints: the first `N_AVERAGED` batches weigh the same, then older ones fade.
    The mean may leave [0, 1].
    """

    sigma2: Float[Tensor, ""]
    n_batches: Int[Tensor, ""]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sigma2", torch.ones(()))
        self.register_buffer("n_batches", torch.zeros((), dtype=torch.int64))

    def distortion(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """|x - x_hat|^2 / (2 sigma2) + D/2 ln sigma2 in nats per image of D numbers, of any sign.

        Leaves out D/2 ln 2 pi only, so it compares with a fixed variance of 1. Updates the mean in training mode.
        """
        error = (output - image).square().flatten(1)
        sigma2 = self.sigma2
        if self.training:
            sigma2 = error.detach().mean().clamp(min=MIN_SIGMA2)
            self.n_batches += 1
            self.sigma2.add_((1 / self.n_batches).clamp(min=1 / N_AVERAGED) * (sigma2 - self.sigma2))
        return error.sum(1) / (2 * sigma2) + error.shape[1] / 2 * torch.log(sigma2)

    def mean(self, output: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return output
