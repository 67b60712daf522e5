"""What the decoder does with sampled latent codes: distortion, the importance-weighted bound, permuted codes.

Beside them the distortions of two decoders to compare with: one of the mean image, and an exact one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.analysis.posterior import Posterior
from hwsweep.data import Splits
from hwsweep.data.progress_bar import Advance, progress_bar
from hwsweep.models.likelihoods import Bernoulli
from hwsweep.models.vae import VAE, pixels

LOOSE = 0.05
"""Nats. To second order the bound exceeds -ln p(x) by half the relative variance of the mean weight, which is
1/2 (1/effective samples - 1/k): 0.05 nats at 10 effective samples of many. Heavy tails can hide a larger gap."""

MANY_SAMPLES = 100
"""Samples per image from which on progress is shown."""

DARKEST = 1e-6
"""Least intensity of the mean image under a Bernoulli likelihood: a pixel may be black in all training images."""


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
    iw_bound_loose: bool
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

    The memory does not depend on k. Progress is shown from `MANY_SAMPLES` on.

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
    bar = progress_bar("importance-weighted bound", "samples", n_samples * len(image), 0)
    with bar if n_samples >= MANY_SAMPLES else nullcontext(lambda n: None) as advance:
        parts = [_weigh(model, some, Posterior(mu, log_var), n_samples, noise, advance) for some, mu, log_var in chunks]
    distortion, log_sum, log_sum_of_squares = (torch.cat(values) for values in zip(*parts, strict=True))
    bound = math.log(n_samples) - log_sum
    effective = torch.exp(2 * log_sum - log_sum_of_squares)
    loose = float((1 / effective - 1 / n_samples).mean() / 2) > LOOSE
    return ImportanceWeighted(*_mean(distortion), *_mean(bound), float(effective.mean()), loose)


@torch.inference_mode()
def permute_codes(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, noise: torch.Generator
) -> Permuted:
    """Distortion from the latent code of another image minus that from its own; both use the same samples."""
    z = posterior.sample(noise)
    other = other_images(len(z), noise).to(z.device)
    rises = []
    for some, own, permuted in zip(*(values.split(IMAGES_AT_ONCE) for values in (image, z, z[other])), strict=True):
        x = pixels(some)
        from_own, from_other = (model.distortion(code, x).double() for code in (own, permuted))
        rises.append(from_other - from_own)
    return Permuted(*_mean(torch.cat(rises)))


@torch.inference_mode()
def mean_image_distortion(model: VAE, splits: Splits) -> float:
    """-ln p(x) of a test image in nats, if the decoder's mean is the mean training image for every latent code.

    A decoder that ignores z can do so; a distortion above it means that the model does not reconstruct.
    """
    device = next(model.parameters()).device
    train, test = splits.train["image"], splits.test["image"]
    mean = (train.sum(0, dtype=torch.float64) / (255 * len(train))).float().to(device)
    output = mean.logit(DARKEST) if isinstance(model.likelihood, Bernoulli) else mean
    total = sum(
        float(model.likelihood.distortion(output.expand(len(some), *output.shape), pixels(some.to(device))).sum())
        for some in test.split(IMAGES_AT_ONCE)
    )
    return total / len(test)


@torch.inference_mode()
def exact_distortion(model: VAE, image: UInt8[Tensor, "n c h w"]) -> float:
    """-ln p(x) of an image in nats if the decoder's mean is that image: the least distortion that a decoder can reach.

    0 for a fixed variance, the entropy of grey pixels for a Bernoulli likelihood.
    """
    total = 0.0
    for some in image.split(IMAGES_AT_ONCE):
        target = pixels(some.to(next(model.parameters()).device))
        output = target.logit(DARKEST) if isinstance(model.likelihood, Bernoulli) else target
        total += float(model.likelihood.distortion(output, target).sum())
    return total / len(image)


def bound_sentence(metrics: Mapping[str, float], n_samples: int) -> str:
    """The bound in nats, its k and its effective number of samples; the word "loose" if a larger k would lower it.

    Args:
        metrics: `ImportanceWeighted` by metric key.
    """
    effective = f"{metrics['test/iw_effective_samples']:.3g} of {n_samples} samples effective on average"
    loose = "; loose, a larger `analysis.plan.importance_samples` lowers it" if metrics["test/iw_bound_loose"] else ""
    return f"importance-weighted bound {metrics['test/iw_bound']:.2f} nats ({effective}{loose})"


def other_images(n_images: int, noise: torch.Generator) -> Int[Tensor, " n"]:
    """Another image for each image, as its index: one random cycle through all images, so that none keeps its own."""
    order = torch.randperm(n_images, generator=noise)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


@torch.inference_mode()
def _weigh(
    model: VAE,
    image: UInt8[Tensor, "n c h w"],
    posterior: Posterior,
    n_samples: int,
    noise: torch.Generator,
    advance: Advance,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Per image: mean distortion [nats], log of the sum of the weights p(x | z) p(z) / q(z | x), and of their squares.

    The sums grow sample by sample, so that no sample is stored.
    """
    target, (mu, log_var) = pixels(image), posterior
    total = torch.zeros(len(image), dtype=torch.float64, device=mu.device)
    log_sum, log_sum_of_squares = (torch.full_like(total, -torch.inf) for _ in range(2))
    for _ in range(n_samples):
        standard = torch.randn(mu.shape, generator=noise).to(mu)
        z = mu + torch.exp(log_var / 2) * standard
        distortion = model.distortion(z, target).double()
        # ln p(z) - ln q(z | x): 1/2 ln(2 pi) is in both and cancels
        excess = 0.5 * (standard.double().square() + log_var.double() - z.double().square()).sum(1)
        total += distortion
        log_sum = torch.logaddexp(log_sum, excess - distortion)
        log_sum_of_squares = torch.logaddexp(log_sum_of_squares, 2 * (excess - distortion))
        advance(len(image))
    return total / n_samples, log_sum, log_sum_of_squares


def _mean(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(correction=0)) / math.sqrt(len(values))
