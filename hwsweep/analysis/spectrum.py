"""The variances of a data set's images along their leading directions, from which `linear_vae` predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.analysis.cache import cached
from hwsweep.data import Splits
from hwsweep.models.vae import pixels

FORMAT = 2
"""Part of the cache key: raise it when the same images give another spectrum."""

EXACT_PIXELS = 1024
"""Largest image whose covariance is decomposed exactly: (784, 784) takes 0.05 s, (12288, 12288) minutes."""

TOLERANCE = 1e-4
"""Subspace iteration ends when no leading eigenvalue grows by a larger share in a pass over the images."""


class Spectrum(NamedTuple):
    """Eigenvalues of the images' covariance, and the error of total collapse.

    In squared intensity per image for a Gaussian likelihood; in nats for a Bernoulli one.
    """

    leading: Float[Tensor, " k"]
    """The largest eigenvalues, falling."""
    collapsed_error: float
    """E|x - mean image|^2, the sum of all eigenvalues; Bernoulli: twice the cross-entropy with the mean image."""
    exact: bool
    """Whether predictions from it are exact: Gaussian, not Bernoulli."""
    test_variances: Float[Tensor, " k"]
    """Mean square of the test images' distance from the training mean along each leading direction."""
    test_error: float
    """The mean squared distance of test images from the training mean."""


def spectrum(
    image: UInt8[Tensor, "n c h w"], test_image: UInt8[Tensor, "m c h w"], n_leading: int, likelihood: str
) -> Spectrum:
    """The `n_leading` largest eigenvalues of the images' covariance, with pixels weighted for the likelihood.

    Exact for small images. Larger images use subspace iteration with more than twice as many directions, which gives
    slightly smaller eigenvalues (Halko et al. 2011, arXiv:0909.4061, algorithm 4.4).

    Args:
        test_image: measured along the directions that the other images have.
        likelihood: "gaussian" or "bernoulli".
    """
    points = image.flatten(1)
    mean = points.sum(0, dtype=torch.int64).double() / (255 * len(points))
    variance, exact = mean * (1 - mean), likelihood != "bernoulli"
    weight = torch.ones_like(mean) if exact else torch.where(variance > 0, variance.rsqrt(), 0.0)
    solve = _exact if len(mean) <= EXACT_PIXELS else _by_subspace_iteration
    leading, collapsed_error, directions = solve(image, mean, weight, min(n_leading, len(mean)))
    test_variances, test_error = _along(directions, test_image, mean, weight)
    if not exact:
        collapsed_error = 2 * float(-(torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)).sum())
    return Spectrum(leading.clamp_min(0).cpu(), collapsed_error, exact, test_variances.cpu(), test_error)


def cached_spectrum(splits: Splits, data_digest: str, n_leading: int, likelihood: str) -> Spectrum:
    """The `spectrum` of the training and test images, from the cache if it was computed before.

    Args:
        data_digest: of `splits`; part of the cache key.
    """
    key = f"{FORMAT} {n_leading} {likelihood} {data_digest}"
    images = splits.train["image"], splits.test["image"]
    return Spectrum(**cached("spectra", key, lambda: spectrum(*images, n_leading, likelihood)._asdict()))


def _exact(
    image: UInt8[Tensor, "n c h w"], mean: Float[Tensor, " d"], weight: Float[Tensor, " d"], n_leading: int
) -> tuple[Float[Tensor, " k"], float, Float[Tensor, "d k"]]:
    """The leading eigenvalues, the sum of all eigenvalues, and the directions of the leading ones."""
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=image.device)
    for centred in _centred(image, mean, weight):
        covariance += (centred.T @ centred).double()
    eigenvalues, directions = torch.linalg.eigh(covariance / len(image))
    return eigenvalues.flip(0)[:n_leading], float(eigenvalues.sum()), directions.flip(1)[:, :n_leading]


def _by_subspace_iteration(
    image: UInt8[Tensor, "n c h w"], mean: Float[Tensor, " d"], weight: Float[Tensor, " d"], n_leading: int
) -> tuple[Float[Tensor, " k"], float, Float[Tensor, "d k"]]:
    """As `_exact`, without the covariance matrix."""
    n_directions = min(2 * n_leading + 8, len(mean), len(image))
    start = torch.randn(len(mean), n_directions, generator=torch.Generator().manual_seed(0)).to(image.device)
    basis = torch.linalg.qr(start).Q
    eigenvalues = torch.zeros(n_directions, dtype=torch.float64, device=image.device)
    while True:
        product = torch.zeros_like(basis)  # of covariance and basis
        total = 0.0
        for centred in _centred(image, mean, weight):
            product += centred.T @ (centred @ basis)
            total += float(centred.square().sum(1).double().sum())
        product /= len(image)
        before, (rising, rotation) = eigenvalues, torch.linalg.eigh((basis.T @ product).double())
        eigenvalues = rising.flip(0)
        if bool((eigenvalues - before <= TOLERANCE * eigenvalues.abs())[:n_leading].all()):
            directions = basis.double() @ rotation.flip(1)[:, :n_leading]
            return eigenvalues[:n_leading], total / len(image), directions
        basis = torch.linalg.qr(product).Q


def _along(
    directions: Float[Tensor, "d k"], image: UInt8[Tensor, "m c h w"], mean: Float[Tensor, " d"], weight: Tensor
) -> tuple[Float[Tensor, " k"], float]:
    """The mean square of the weighted images minus `mean` along each direction, and in total."""
    squares, total = torch.zeros(directions.shape[1], dtype=torch.float64, device=image.device), 0.0
    for centred in _centred(image, mean, weight):
        squares += (centred.double() @ directions.double()).square().sum(0)
        total += float(centred.square().sum(1).double().sum())
    return squares / len(image), total / len(image)


def _centred(
    image: UInt8[Tensor, "n c h w"], mean: Float[Tensor, " d"], weight: Float[Tensor, " d"]
) -> Iterator[Float[Tensor, "m d"]]:
    """Images in [0, 1] minus their mean, times the weights of the pixels, a chunk at a time."""
    for chunk in image.split(IMAGES_AT_ONCE):
        yield (pixels(chunk).flatten(1) - mean.float()) * weight.float()
