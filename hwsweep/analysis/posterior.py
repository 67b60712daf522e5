"""The posterior q(z | x) = N(mu(x), exp(log_var(x))) of each image of a split; its latents are independent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.models.vae import VAE, pixels


class Posterior(NamedTuple):
    """Parameters of q(z | x), one row per image."""

    mu: Float[Tensor, "n latent"]
    log_var: Float[Tensor, "n latent"]

    def sample(self, noise: torch.Generator) -> Float[Tensor, "n latent"]:
        """One latent code per image; `noise` is a generator of the CPU, whatever the device of the parameters."""
        return self.mu + torch.exp(self.log_var / 2) * torch.randn(self.mu.shape, generator=noise).to(self.mu)

    def to(self, target: torch.device | str | torch.dtype) -> Posterior:
        """The same parameters on another device or in another type."""
        return Posterior(self.mu.to(target), self.log_var.to(target))


@torch.inference_mode()
def encode(model: VAE, image: UInt8[Tensor, "n c h w"]) -> Posterior:
    """The posterior of each image, on the CPU."""
    device = next(model.parameters()).device
    parts = [model.encode(pixels(chunk.to(device))) for chunk in image.split(IMAGES_AT_ONCE)]
    mu, log_var = zip(*parts, strict=True)
    return Posterior(torch.cat(mu), torch.cat(log_var)).to("cpu")
