"""Each latent by itself: whether it is worth its price, and for how many images it is used."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Num
from numpy.typing import NDArray
from torch import Tensor

from hwsweep.analysis.bounds import other_images
from hwsweep.analysis.collapse import kl_per_latent
from hwsweep.analysis.posterior import Posterior
from hwsweep.models.vae import VAE, pixels

KINDS = ("active", "mixed", "passive", "other")
"""See `kinds`."""

SMALL, NEAR_PRIOR, WIDE = 0.8, 0.9, 1.2
"""Variances of a posterior, where the prior's is 1. A posterior with less than `SMALL` uses the latent for its image.

Trained encoders keep passive latents within 0.85 and 1.1, so that a limit nearer to 1 would count their noise."""

SHARE = 0.05
"""Of the images: fewer do not count as "some" images."""

MEAN_SQUARE = 0.1
"""Of a passive latent's posterior mean: what is left of the prior's variance of 1 at a variance of `NEAR_PRIOR`."""

ERRORS = 3
"""Standard errors between price and rise of an unpaid latent; by chance one of 740 that just pay reaches them."""

NEGLIGIBLE = 0.01
"""Nats per image: a latent that costs less than that more than it brings is not called unpaid."""


class Latents(NamedTuple):
    """Arrays with one number per latent."""

    price: NDArray[np.float64]
    """lambda * KL in nats per image: what the latent adds to the loss."""
    rise: NDArray[np.float64]
    """Nats per image by which the distortion rises if this latent alone is permuted among the images."""
    rise_error: NDArray[np.float64]
    """Standard error over images."""
    variance_low: NDArray[np.float64]
    """Variance of q(z | x): the share `SHARE` of the images has a smaller one; the prior's is 1."""
    variance_high: NDArray[np.float64]
    """Variance of q(z | x): the share `SHARE` of the images has a larger one."""
    kind: NDArray[np.float64]
    """Index in `KINDS`."""


def permuted_rise(
    model: VAE, image: Num[Tensor, "n c h w"], posterior: Posterior, noise: torch.Generator
) -> tuple[Float[Tensor, " latent"], Float[Tensor, " latent"]]:
    """Rise of the distortion if one latent is permuted among images, the others keeping their samples; and its error.

    Nats per image; 0 if the decoder ignores the latent. The error is a standard error over images. At the optimum of a
    linear VAE it is twice what a model without the latent would lose: lambda (e_i / t - 1) against a price of
    lambda / 2 ln(e_i / t), so that every active latent pays.

    Args:
        posterior: of these images.
        noise: a generator of the CPU.
    """
    with torch.inference_mode():
        z = posterior.sample(noise)
        other = other_images(len(z), noise).to(z.device)
        x = pixels(image)
        own = model.distortion(z, x).double()
        rises = []
        for latent in range(z.shape[1]):
            permuted = z.clone()
            permuted[:, latent] = z[other, latent]
            rises.append(model.distortion(permuted, x).double() - own)
        rise = torch.stack(rises).cpu()
    return rise.mean(1), rise.std(1, correction=0) / math.sqrt(len(z))


def unpaid(latents: Latents) -> NDArray[np.bool_]:
    """The latents whose price exceeds the rise by more than `ERRORS` standard errors and by more than `NEGLIGIBLE`."""
    loss: NDArray[np.float64] = latents.price - latents.rise
    return (loss > ERRORS * latents.rise_error) & (loss > NEGLIGIBLE)


def variance_range(posterior: Posterior) -> tuple[Float[Tensor, " latent"], Float[Tensor, " latent"]]:
    """Variances of q(z | x) of each latent between which all images but a share of `SHARE` on each side lie."""
    variance = torch.exp(posterior.log_var.double())
    ordered, few = variance.sort(0).values, int(SHARE * len(variance))
    return ordered[few], ordered[-1 - few]


def kinds(posterior: Posterior, threshold: float) -> Float[Tensor, " latent"]:
    """Index in `KINDS` of each latent (Bonheme & Grzes 2021, arXiv:2109.12679), the first of these that holds.

    The variance of the posterior mean alone cannot tell active from mixed (Bonheme et al. 2026, arXiv:2605.15965), so
    the variance of the posterior of each image counts, too; "some" and "all" leave out the share `SHARE` of the images:

    * mixed: for some images the variance is below `SMALL`, for others above `NEAR_PRIOR`;
    * passive: for all images it is between `SMALL` and `WIDE`, and the mean square of the mean is below `MEAN_SQUARE`;
    * active: the variance of the mean exceeds the threshold, so that the latent is one of the active units;
    * other: q(z | x) is nearly the same for every image, but not the prior.
    """
    mu = posterior.mu.double()
    low, high = variance_range(posterior)
    is_mixed = (low < SMALL) & (high > NEAR_PRIOR)
    is_passive = (low >= SMALL) & (high <= WIDE) & (mu.square().mean(0) < MEAN_SQUARE)
    is_active = mu.var(0) > threshold
    kind = torch.where(is_active, KINDS.index("active"), KINDS.index("other"))
    kind = torch.where(is_passive, KINDS.index("passive"), kind)
    return torch.where(is_mixed, KINDS.index("mixed"), kind).double()


def measure_latents(
    model: VAE,
    image: Num[Tensor, "n c h w"],
    posterior: Posterior,
    n_images: int,
    threshold: float,
    noise: torch.Generator,
) -> Latents:
    """Price, rise, variances and kind of each latent of a VAE in evaluation mode.

    Args:
        image: of the split.
        posterior: of these images.
        n_images: largest number of images whose latents are permuted; the other numbers are of all images.
        threshold: variance of the posterior mean above which a latent is an active unit.
        noise: a generator of the CPU.
    """
    device = next(model.parameters()).device
    few = Posterior(*(values[:n_images].to(device) for values in posterior))
    rise, error = permuted_rise(model, image[:n_images].to(device), few, noise)
    price = model.kl_weight * kl_per_latent(posterior)
    columns = price, rise, error, *variance_range(posterior), kinds(posterior, threshold)
    return Latents(*(values.double().cpu().numpy() for values in columns))


def no_latents(n_latents: int) -> Latents:
    """What is known of latents with one image: nothing, NaN."""
    return Latents(*(np.full(n_latents, np.nan) for _ in Latents._fields))


def count_metrics(latents: Latents) -> dict[str, float]:
    """Number of latents of each kind and of those that do not pay, by metric key."""
    metrics = {f"test/{kind}_latents": float((latents.kind == i).sum()) for i, kind in enumerate(KINDS)}
    return metrics | {"test/unpaid_latents": float(unpaid(latents).sum())}
