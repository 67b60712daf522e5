"""What the decoder makes of sampled codes: distortion, the importance-weighted bound, codes of other images."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.models.vae import VAE, pixels

DECODED_AT_ONCE = 1000
"""Images per pass of the decoder: bounds memory."""


class ImportanceWeighted(NamedTuple):
    """Means over images in nats per image, each with the standard error of a mean over images."""

    distortion: float
    distortion_error: float
    bound: float
    """IWAE: E[-ln 1/k sum_i p(x, z_i) / q(z_i | x)], between -ln p(x) and neg_elbo, falling with k.

    As distortion and neg_elbo do, it leaves out the constant of a Gaussian likelihood, D/2 ln(2 pi sigma2)."""
    bound_error: float
    effective_samples: float
    """Mean over images of (sum w)^2 / sum w^2 of the k weights, between 1 and k."""
    loose: bool
    """Whether the bound still falls by more than `LOOSE` with k, judged from the spread of the weights."""


LOOSE = 0.05
"""Nats. To second order the bound exceeds -ln p(x) by half the relative variance of the mean weight, which is
1/2 (1/effective samples - 1/k): 0.05 nats at 10 effective samples of many. It is a floor: heavy tails hide."""


class Permuted(NamedTuple):
    """How much the distortion rises, in nats per image, when each image is decoded from another image's code."""

    rise: float
    """0 where the decoder ignores the code."""
    standard_error: float


def importance_weighted(
    model: VAE,
    image: UInt8[Tensor, "n c h w"],
    mu: Float[Tensor, "n latent"],
    log_var: Float[Tensor, "n latent"],
    n_samples: int,
    noise: torch.Generator,
) -> ImportanceWeighted:
    """Distortion and importance-weighted bound (Burda et al. 2016, arXiv:1509.00519, eq. 8), in nats per image.

    Args:
        mu, log_var: of q(z | x) of these images.
        n_samples: k, the codes sampled per image; at least 2 (k = 1 would be neg_elbo).
        noise: of the CPU, whatever the model's device.

    Raises:
        ValueError: fewer than 2 samples.
    """
    if n_samples < 2:
        raise ValueError(f"an importance-weighted bound needs at least 2 samples, but got {n_samples}; 1 is neg_elbo")
    chunks = zip(image.split(DECODED_AT_ONCE), mu.split(DECODED_AT_ONCE), log_var.split(DECODED_AT_ONCE), strict=True)
    weighed = [_weighed(model, *chunk, n_samples, noise) for chunk in chunks]
    distortions, log_weights = zip(*weighed, strict=True)
    distortion, log_weight = torch.cat(distortions).mean(1), torch.cat(log_weights)
    bound = math.log(n_samples) - torch.logsumexp(log_weight, 1)
    effective = torch.softmax(log_weight, 1).square().sum(1).reciprocal()
    return ImportanceWeighted(
        *_mean(distortion),
        *_mean(bound),
        effective_samples=float(effective.mean()),
        loose=float((1 / effective - 1 / n_samples).mean() / 2) > LOOSE,
    )


@torch.inference_mode()
def permuted(
    model: VAE,
    image: UInt8[Tensor, "n c h w"],
    mu: Float[Tensor, "n latent"],
    log_var: Float[Tensor, "n latent"],
    noise: torch.Generator,
) -> Permuted:
    """Distortion from the code of another image minus that from its own, the same sample of each code for both."""
    z = mu + torch.exp(log_var / 2) * torch.randn(mu.shape, generator=noise).to(mu)
    order = torch.randperm(len(mu), generator=noise).to(mu.device)
    other = torch.empty_like(order)
    other[order] = order.roll(1)  # one cycle through all images: none keeps its code
    rises = []
    for chosen, at in zip(other.split(DECODED_AT_ONCE), _ranges(len(mu)), strict=True):
        x = pixels(image[at])
        rises.append(model.likelihood.distortion(model.decoder(z[chosen]), x).double())
        rises[-1] -= model.likelihood.distortion(model.decoder(z[at]), x).double()
    return Permuted(*_mean(torch.cat(rises)))


@torch.inference_mode()
def _weighed(
    model: VAE,
    image: UInt8[Tensor, "n c h w"],
    mu: Float[Tensor, "n latent"],
    log_var: Float[Tensor, "n latent"],
    n_samples: int,
    noise: torch.Generator,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Distortion and log importance weight ln p(x | z) p(z) / q(z | x) of each of k codes per image, in nats."""
    target = pixels(image)
    distortions, log_weights = [], []
    for _ in range(n_samples):
        standard = torch.randn(mu.shape, generator=noise).to(mu)
        z = mu + torch.exp(log_var / 2) * standard
        distortion = model.likelihood.distortion(model.decoder(z), target).double()
        # ln p(z) - ln q(z | x): 1/2 ln(2 pi) is in both and cancels
        excess = 0.5 * (standard.double().square() + log_var.double() - z.double().square()).sum(1)
        distortions.append(distortion)
        log_weights.append(excess - distortion)
    return torch.stack(distortions, 1), torch.stack(log_weights, 1)


def _ranges(n: int) -> list[slice]:
    return [slice(start, start + DECODED_AT_ONCE) for start in range(0, n, DECODED_AT_ONCE)]


def _mean(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(correction=0)) / math.sqrt(len(values))
