"""What the decoder does with sampled latent codes: distortion, the importance-weighted bound, permuted codes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.analysis.posterior import Posterior
from hwsweep.models.vae import VAE, pixels

LOOSE = 0.05
"""Nats. To second order the bound exceeds -ln p(x) by half the relative variance of the mean weight, which is
1/2 (1/effective samples - 1/k): 0.05 nats at 10 effective samples of many. Heavy tails can hide a larger gap."""


class ImportanceWeighted(NamedTuple):
    """Means over images in nats per image; each `..._error` is the standard error of a mean over images."""

    distortion: float
    distortion_error: float
    iw_bound: float
    """IWAE: E[-ln 1/k sum_i p(x, z_i) / q(z_i | x)], between -ln p(x) and neg_elbo; it falls with k.

    Like distortion and neg_elbo, it leaves out the constant of a Gaussian likelihood, D/2 ln(2 pi sigma2)."""
    iw_bound_error: float
    iw_effective_samples: float
    """Mean over images of (sum w)^2 / sum w^2 of the k weights, between 1 and k."""
    iw_loose: bool
    """Whether the bound still falls by more than `LOOSE` with k, estimated from the spread of the weights."""


class Permuted(NamedTuple):
    """How much the distortion rises when each image is decoded from the latent code of another image."""

    permuted_distortion: float
    """Nats per image; 0 if the decoder ignores the latent code."""
    permuted_distortion_error: float
    """Standard error over images."""


def importance_weighted(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, n_samples: int, noise: torch.Generator
) -> ImportanceWeighted:
    """Distortion and importance-weighted bound (Burda et al. 2016, arXiv:1509.00519, eq. 8), in nats per image.

    Args:
        posterior: of these images.
        n_samples: k, the latent codes sampled per image; at least 2 (k = 1 is neg_elbo).
        noise: a generator of the CPU, whatever the model's device.

    Raises:
        ValueError: fewer than 2 samples.
    """
    if n_samples < 2:
        raise ValueError(f"an importance-weighted bound needs at least 2 samples, but got {n_samples}; 1 is neg_elbo")
    chunks = zip(*(values.split(IMAGES_AT_ONCE) for values in (image, *posterior)), strict=True)
    weighed = [_weigh(model, some, Posterior(mu, log_var), n_samples, noise) for some, mu, log_var in chunks]
    distortion, log_weight = (torch.cat(parts) for parts in zip(*weighed, strict=True))
    bound = math.log(n_samples) - torch.logsumexp(log_weight, 1)
    effective = torch.softmax(log_weight, 1).square().sum(1).reciprocal()
    loose = float((1 / effective - 1 / n_samples).mean() / 2) > LOOSE
    return ImportanceWeighted(*_mean(distortion.mean(1)), *_mean(bound), float(effective.mean()), loose)


@torch.inference_mode()
def permute_codes(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, noise: torch.Generator
) -> Permuted:
    """Distortion from the latent code of another image minus that from its own; both use the same samples."""
    z = posterior.sample(noise)
    order = torch.randperm(len(z), generator=noise).to(z.device)
    other = torch.empty_like(order)
    other[order] = order.roll(1)  # one cycle through all images: none keeps its code
    rises = []
    for some, own, permuted in zip(*(values.split(IMAGES_AT_ONCE) for values in (image, z, z[other])), strict=True):
        x = pixels(some)
        from_own, from_other = (model.distortion(code, x).double() for code in (own, permuted))
        rises.append(from_other - from_own)
    return Permuted(*_mean(torch.cat(rises)))


@torch.inference_mode()
def _weigh(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, n_samples: int, noise: torch.Generator
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Distortion and log importance weight ln p(x | z) p(z) / q(z | x) of k latent codes per image, in nats."""
    target, (mu, log_var) = pixels(image), posterior
    distortions, log_weights = [], []
    for _ in range(n_samples):
        standard = torch.randn(mu.shape, generator=noise).to(mu)
        z = mu + torch.exp(log_var / 2) * standard
        distortion = model.distortion(z, target).double()
        # ln p(z) - ln q(z | x): 1/2 ln(2 pi) is in both and cancels
        excess = 0.5 * (standard.double().square() + log_var.double() - z.double().square()).sum(1)
        distortions.append(distortion)
        log_weights.append(excess - distortion)
    return torch.stack(distortions, 1), torch.stack(log_weights, 1)


def _mean(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(correction=0)) / math.sqrt(len(values))
