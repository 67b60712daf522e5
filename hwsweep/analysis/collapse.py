"""How much the codes tell about the images, from the posterior's parameters over a whole split.

q(z | x) = N(mu(x), exp(log_var(x))) with independent latents; the prior p(z) is standard normal;
q(z) = 1/n sum_x q(z | x) is the aggregate posterior, the exact mixture over the n images of the split.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.models.vae import kl_to_standard_normal

PAIRS_AT_ONCE = 2_000_000
"""Densities (of one sample under one image's posterior) held at a time: 16 MB, whatever the split's size."""


class Information(NamedTuple):
    """Hoffman & Johnson (2016), eq. 8: rate = mutual information + KL(q(z) || p(z)), in nats per image."""

    mutual_information: float
    """I_q(x; z), between 0 and `cap`; as an estimate it may lie below 0 by a few standard errors."""
    aggregate_kl: float
    """KL(q(z) || p(z)) >= rate - `cap`: where the rate exceeds the cap this grows with the rate alone."""
    standard_error: float
    """Of both: the rate is exact, so their errors are the same."""
    cap: float
    """ln n: which of n images it was is all that a code can tell."""


def kl_per_latent(mu: Float[Tensor, "n latent"], log_var: Float[Tensor, "n latent"]) -> Float[Tensor, " latent"]:
    """Mean KL(q(z_k | x) || N(0, 1)) of each latent in nats per image, >= 0; their sum is the rate."""
    return kl_to_standard_normal(mu.double(), log_var.double()).mean(0)


def active_unit_statistic(mu: Float[Tensor, "n latent"]) -> Float[Tensor, " latent"]:
    """Variance over images of each latent's posterior mean, >= 0 (Burda et al. 2016, arXiv:1509.00519, sec. 5.2).

    In the prior's unit: 0 where q(z | x) is the same for every image, 1 - exp(-2 KL) for a linear VAE.
    """
    return mu.double().var(0)


def active_units(statistic: Float[Tensor, " latent"], threshold: float) -> int:
    """Number of latents whose statistic exceeds the threshold (Burda et al. 2016 take 0.01)."""
    return int((statistic > threshold).sum())


def gaussian_kl(mu: Float[Tensor, "n latent"], log_var: Float[Tensor, "n latent"]) -> float:
    """KL(N(m, S) || N(0, I)) in nats, >= 0, with m and S the mean and covariance of the aggregate posterior.

    The part of KL(q(z) || p(z)) that the first two moments show, hence a lower bound of it; unlike
    `Information.aggregate_kl` it does not grow with the rate when there are few images.
    """
    mu = mu.double()
    mean = mu.mean(0)
    centred = mu - mean
    covariance = centred.T @ centred / len(mu) + torch.diag(torch.exp(log_var.double()).mean(0))
    excess = covariance.diagonal().sum() + mean.square().sum() - len(mean) - torch.logdet(covariance)
    return float(excess / 2)


def information(
    mu: Float[Tensor, "n latent"], log_var: Float[Tensor, "n latent"], n_samples: int, noise: torch.Generator
) -> Information:
    """Mutual information and aggregate KL of a split, by Monte Carlo over one sample of each image's posterior.

    The mean of ln q(z | x) - ln q(z): a sample never exceeds the cap, and where codes of different images do
    not overlap each one equals it. The rate is exact, and what is left of it is the aggregate KL.

    Args:
        n_samples: at most so many images, drawn at random, give a sample; all of them are in the mixture.
        noise: of the CPU.
    """
    mu, log_var = mu.double().cpu(), log_var.double().cpu()
    n_images = len(mu)
    order = torch.randperm(n_images, generator=noise)[:n_samples]
    standard = torch.randn(len(order), mu.shape[1], generator=noise, dtype=mu.dtype)
    rows = max(1, PAIRS_AT_ONCE // n_images)
    gains = torch.cat([_gain(mu, log_var, *part) for part in zip(order.split(rows), standard.split(rows), strict=True)])
    gained = float(gains.mean())
    rate = float(kl_to_standard_normal(mu, log_var).sum(1).mean())
    return Information(
        mutual_information=gained,
        aggregate_kl=rate - gained,
        standard_error=float(gains.std(correction=0)) / math.sqrt(len(gains)),
        cap=math.log(n_images),
    )


def _gain(
    mu: Float[Tensor, "n latent"],
    log_var: Float[Tensor, "n latent"],
    images: Tensor,
    standard: Float[Tensor, "m latent"],
) -> Float[Tensor, " m"]:
    """ln q(z | x) - ln q(z) of one sample for each of `images`, in nats, at most ln n."""
    z = mu[images] + torch.exp(log_var[images] / 2) * standard
    densities = log_densities(z, mu, log_var)
    own = -0.5 * (standard.square() + log_var[images] + math.log(2 * math.pi)).sum(1)
    # the product of matrices rounds at 1e-16 of z^2 / variance; a sample's own density decides and is known exactly
    densities[torch.arange(len(images)), images] = own
    return own - (torch.logsumexp(densities, 1) - math.log(len(mu)))


def log_densities(
    z: Float[Tensor, "m latent"], mu: Float[Tensor, "n latent"], log_var: Float[Tensor, "n latent"]
) -> Float[Tensor, "m n"]:
    """ln N(z_i; mu_j, exp(log_var_j)) of every pair, in nats; the square is expanded, so nothing is (m, n, latent)."""
    centre = mu.mean(0)  # less to cancel
    z, mu = z - centre, mu - centre
    precision = torch.exp(-log_var)
    constant = (mu.square() * precision + log_var + math.log(2 * math.pi)).sum(1)
    return torch.addmm(
        -0.5 * constant, torch.cat([-0.5 * z.square(), z], 1), torch.cat([precision, mu * precision], 1).T
    )


def reconstruction_spread(image: Float[Tensor, "n c h w"], reconstruction: Float[Tensor, "n c h w"]) -> float:
    """Mean Euclidean distance of two reconstructions over that of two images, >= 0.

    0: all reconstructions are alike; 1: as different as the images; the latents' best linear use lies between.
    """
    return mean_distance(reconstruction.flatten(1)) / mean_distance(image.flatten(1))


def mean_distance(points: Float[Tensor, "n d"]) -> float:
    """Mean Euclidean distance over all pairs of different points, in their unit."""
    n_points, centred = len(points), points - points.mean(0)  # squares of nearly equal points would cancel
    distances = torch.cdist(centred, centred).fill_diagonal_(0)
    return float(distances.sum(dtype=torch.float64)) / (n_points * (n_points - 1))
