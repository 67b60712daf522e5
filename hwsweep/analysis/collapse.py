"""How much the latent codes tell about the images, and how much the decoder listens to them.

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
from hwsweep.models.vae import VAE, kl_to_standard_normal

IMAGES_PER_LATENT = 4
"""Images per latent from which a covariance is estimated: the estimate adds (latents + 1) / (4 images) nats per latent
to the KL of a normal with the prior's own covariance, 1/16 at this limit."""


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


def gaussian_kl(posterior: Posterior) -> float:
    """KL(N(m, S) || N(0, I)) in nats, >= 0, with m and S the mean and covariance of the aggregate posterior.

    The part of KL(q(z) || p(z)) that the first two moments show, hence a lower bound of it; unlike
    `Information.aggregate_kl` it does not grow with the rate when there are few images. With fewer than
    `IMAGES_PER_LATENT` images per latent S is the diagonal of variances, also a lower bound: the covariance of few
    images has directions without variance, which would look far from the prior.
    """
    mu, log_var = posterior.to(torch.float64)
    mean = mu.mean(0)
    centred = mu - mean
    covariance = centred.T @ centred / len(mu) + torch.diag(torch.exp(log_var).mean(0))
    if len(mu) < IMAGES_PER_LATENT * len(mean):
        covariance = covariance.diagonal().diag()
    excess = covariance.diagonal().sum() + mean.square().sum() - len(mean) - torch.logdet(covariance)
    return max(0.0, float(excess / 2))


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


class PriorDecoding(NamedTuple):
    """What the decoder does with latent codes of the prior; each `..._error` is a standard error."""

    decoder_spread: float
    """`spread` of decodings of the prior's samples against images; 0 if all decodings are the same."""
    decoder_spread_error: float
    log_likelihood_spread: float
    """Mean over images of the standard deviation of ln p(x | z) over z from the prior, nats; 0 if z changes nothing."""
    log_likelihood_spread_error: float


@torch.inference_mode()
def decode_prior(model: VAE, image: Float[Tensor, "n c h w"], n_codes: int, noise: torch.Generator) -> PriorDecoding:
    """How much latent codes of the prior change what the decoder says, however they relate to the posterior.

    Args:
        image: at least 2, not all alike; as many decodings are compared with them.
        n_codes: latent codes per image for ln p(x | z), at least 2.
        noise: a generator of the CPU.
    """
    device = next(model.parameters()).device

    def codes() -> Float[Tensor, "n latent"]:
        return torch.randn(len(image), model.latent, generator=noise).to(device)

    target = image.to(device)
    distortion = torch.stack([model.distortion(codes(), target).double() for _ in range(n_codes)])
    deviation = distortion.std(0)
    error = float(deviation.std(correction=0)) / math.sqrt(len(image))
    return PriorDecoding(*spread(image, model.decode(codes()).cpu()), float(deviation.mean()), error)


def spread(image: Float[Tensor, "n c h w"], decoded: Float[Tensor, "m c h w"]) -> tuple[float, float]:
    """Mean Euclidean distance of two decoded images over that of two images, >= 0, and its standard error.

    0: all decoded images are the same; 1: they differ as much as the images do.
    """
    (images, images_error), (decodings, error) = (mean_distance(x.cpu().flatten(1)) for x in (image, decoded))
    ratio = decodings / images
    return ratio, math.hypot(error, ratio * images_error) / images


def mean_distance(points: Float[Tensor, "n d"]) -> tuple[float, float]:
    """Mean Euclidean distance over all pairs of different points, in their unit, and its standard error.

    The error is that of a U-statistic (Hoeffding 1948): twice that of the points' own mean distances to the others.
    """
    n_points, centred = len(points), points - points.mean(0)  # squares of nearly equal points would cancel
    distances = torch.cdist(centred, centred).fill_diagonal_(0)
    own = distances.sum(1, dtype=torch.float64) / (n_points - 1)
    return float(own.mean()), 2 * float(own.std(correction=0)) / math.sqrt(n_points)
