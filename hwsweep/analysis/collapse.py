"""How much information the latent codes carry about the images, from the posterior of a whole split.

The prior p(z) is standard normal; the aggregate posterior q(z) = 1/n sum_x q(z | x) is the exact mixture over the n
images of the split.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.analysis import PAIRS_AT_ONCE
from hwsweep.analysis.posterior import Posterior
from hwsweep.models.vae import kl_to_standard_normal


class Information(NamedTuple):
    """Hoffman & Johnson (2016), eq. 8: rate = mutual information + KL(q(z) || p(z)), in nats per image."""

    mutual_information: float
    """I_q(x; z), between 0 and the cap; the estimate may lie below 0 by a few standard errors."""
    mutual_information_error: float
    """Standard error; that of `aggregate_kl` is the same, because the rate is exact."""
    mutual_information_cap: float
    """ln n: a latent code cannot tell more than which of the n images it belongs to."""
    aggregate_kl: float
    """KL(q(z) || p(z)) >= rate - cap: where the rate exceeds the cap, this grows with the rate alone."""


def kl_per_latent(posterior: Posterior) -> Float[Tensor, " latent"]:
    """Mean KL(q(z_k | x) || N(0, 1)) of each latent in nats per image, >= 0; their sum is the rate."""
    return kl_to_standard_normal(*posterior.to(torch.float64)).mean(0)


def active_unit_statistic(mu: Float[Tensor, "n latent"]) -> Float[Tensor, " latent"]:
    """Variance over images of each latent's posterior mean, >= 0 (Burda et al. 2016, arXiv:1509.00519, sec. 5.2).

    In units of the prior's variance: 0 if q(z | x) is the same for every image, 1 - exp(-2 KL) for a linear VAE.
    """
    return mu.double().var(0)


def active_units(statistic: Float[Tensor, " latent"], threshold: float) -> int:
    """Number of latents whose statistic exceeds the threshold (Burda et al. 2016 take 0.01)."""
    return int((statistic > threshold).sum())


def gaussian_kl(posterior: Posterior) -> float:
    """KL(N(m, S) || N(0, I)) in nats, >= 0, with m and S the mean and covariance of the aggregate posterior.

    The part of KL(q(z) || p(z)) that the first two moments show, hence a lower bound of it; unlike
    `Information.aggregate_kl` it does not grow with the rate when there are few images.
    """
    mu, log_var = posterior.to(torch.float64)
    mean = mu.mean(0)
    centred = mu - mean
    covariance = centred.T @ centred / len(mu) + torch.diag(torch.exp(log_var).mean(0))
    excess = covariance.diagonal().sum() + mean.square().sum() - len(mean) - torch.logdet(covariance)
    return float(excess / 2)


def information(posterior: Posterior, n_samples: int, noise: torch.Generator) -> Information:
    """Mutual information and aggregate KL of a split, by Monte Carlo with one sample of each image's posterior.

    The mutual information is the mean of ln q(z | x) - ln q(z). No sample exceeds the cap; where the latent codes of
    different images do not overlap, each sample equals it. The aggregate KL is the rest of the rate, which is exact.

    Args:
        n_samples: largest number of images, drawn at random, that are sampled; the mixture always has all images.
        noise: a generator of the CPU.
    """
    posterior = posterior.to(torch.float64).to("cpu")
    n_images, n_latents = posterior.mu.shape
    order = torch.randperm(n_images, generator=noise)[:n_samples]
    standard = torch.randn(len(order), n_latents, generator=noise, dtype=torch.float64)
    rows = max(1, PAIRS_AT_ONCE // n_images)
    chunks = zip(order.split(rows), standard.split(rows), strict=True)
    gains = torch.cat([_log_ratio(posterior, *chunk) for chunk in chunks])
    mutual_information = float(gains.mean())
    rate = float(kl_to_standard_normal(*posterior).sum(1).mean())
    error = float(gains.std(correction=0)) / math.sqrt(len(gains))
    return Information(mutual_information, error, math.log(n_images), rate - mutual_information)


def _log_ratio(posterior: Posterior, images: Tensor, standard: Float[Tensor, "m latent"]) -> Float[Tensor, " m"]:
    """ln q(z | x) - ln q(z) of one sample for each of `images`, in nats, at most ln n."""
    log_var = posterior.log_var[images]
    z = posterior.mu[images] + torch.exp(log_var / 2) * standard
    densities = log_densities(z, posterior)
    own = -0.5 * (standard.square() + log_var + math.log(2 * math.pi)).sum(1)
    # the matrix product rounds at 1e-16 of z^2 / variance; a sample's own density dominates and is known exactly
    densities[torch.arange(len(images)), images] = own
    return own - (torch.logsumexp(densities, 1) - math.log(len(posterior.mu)))


def log_densities(z: Float[Tensor, "m latent"], posterior: Posterior) -> Float[Tensor, "m n"]:
    """ln N(z_i; mu_j, exp(log_var_j)) of every pair, in nats; the square is expanded to avoid (m, n, latent)."""
    mu, log_var = posterior
    centre = mu.mean(0)  # smaller numbers cancel with smaller errors
    z, mu = z - centre, mu - centre
    precision = torch.exp(-log_var)
    constant = (mu.square() * precision + log_var + math.log(2 * math.pi)).sum(1)
    return torch.addmm(
        -0.5 * constant, torch.cat([-0.5 * z.square(), z], 1), torch.cat([precision, mu * precision], 1).T
    )


def reconstruction_spread(image: Float[Tensor, "n c h w"], reconstruction: Float[Tensor, "n c h w"]) -> float:
    """Mean Euclidean distance of two reconstructions over that of two images, >= 0.

    0: all reconstructions are the same; 1: they differ as much as the images do.
    """
    return mean_distance(reconstruction.flatten(1)) / mean_distance(image.flatten(1))


def mean_distance(points: Float[Tensor, "n d"]) -> float:
    """Mean Euclidean distance over all pairs of different points, in their unit."""
    n_points, centred = len(points), points - points.mean(0)  # squares of nearly equal points would cancel
    distances = torch.cdist(centred, centred).fill_diagonal_(0)
    return float(distances.sum(dtype=torch.float64)) / (n_points * (n_points - 1))
