"""The optimum of a linear VAE, predicted before training from the images' covariance.

Without hidden layers and with loss |x - x_hat|^2 / (2 sigma2) + lambda KL, the optimum is probabilistic PCA with noise
t = lambda sigma2 (Tipping & Bishop 1999; Lucas et al. 2019, arXiv:1911.02469): a latent is active as long as the
variance of its direction exceeds t. A nonlinear model can have a lower loss. The same model's rate and distortion on
other images follow from their variance along the same directions.

A Bernoulli likelihood has no closed form. Near collapse its loss is quadratic in the decoder's weights and equals, up
to a constant, the Gaussian loss with sigma2 = 1 on pixels divided by sqrt(p (1 - p)), p the mean image. So
total collapse is predicted at the lambda where the collapsed state becomes stable; all numbers are an approximation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from scipy.optimize import brentq
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE
from hwsweep.analysis.cache import cached
from hwsweep.data import Splits
from hwsweep.models.likelihoods import MIN_SIGMA2
from hwsweep.models.vae import pixels

FORMAT = 2
"""Part of the cache key: raise it when the same images give another spectrum."""

PREDICTED = ("active_units", "rate", "distortion", "objective", "collapse_lambda", "test_rate", "test_distortion")
"""Fields of a prediction that are metrics, `predicted/...`."""

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


class Prediction(NamedTuple):
    """The optimum of the linear VAE on the training images; rates and losses in nats per image.

    If the variance is learned, distortions and the objective contain D/2 ln sigma2, as the model's own do.
    """

    active_units: int
    rate: float
    """Infinite at lambda = 0, where a smaller posterior variance is always better."""
    distortion: float
    """E|x - x_hat|^2 / (2 sigma2) with x_hat from a sampled latent code, as in the model's own distortion."""
    objective: float
    """distortion + lambda * rate: no linear VAE has a lower loss on the training images."""
    collapse_lambda: float
    """The lambda from which on no latent is active: e_1 / sigma2; D e_1 / total variance if sigma2 is learned."""
    test_rate: float
    """Of the same model on the test images; NaN if not exact."""
    test_distortion: float
    """Of the same model on the test images; NaN if not exact."""
    test_objective: float
    """test_distortion + lambda * test_rate."""
    sigma2: float
    """The variance of a pixel; the optimal one if it is learned."""
    log_term: float
    """D/2 ln sigma2 if the variance is learned, else 0."""
    statistic: Float[Tensor, " latent"]
    """Active-unit statistic (variance of the posterior mean) of each latent, falling, 0 to 1."""
    exact: bool
    """False: a linear approximation, best near total collapse (Bernoulli)."""


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


def predict(spectrum: Spectrum, kl_weight: float, sigma2: float, latent: int) -> Prediction:
    """The optimal linear VAE with `latent` latents and lambda = `kl_weight`.

    Args:
        spectrum: with at least `latent` eigenvalues, or all of them.
        sigma2: variance of a pixel; ignored for a Bernoulli likelihood, which has none.

    Raises:
        ValueError: the weight or the variance is out of range.
    """
    if not (kl_weight >= 0 and sigma2 > 0):
        raise ValueError(f"lambda must be >= 0 and sigma2 > 0, but got lambda={kl_weight}, sigma2={sigma2}")
    used = _first(spectrum.leading, latent)
    sigma2 = sigma2 if spectrum.exact else 1.0
    noise = kl_weight * sigma2
    active = used > noise
    explained = float((used - noise).clamp_min(0).sum())
    rate = float(0.5 * torch.log(used[active] / noise).sum())
    distortion = (spectrum.collapsed_error - explained) / (2 * sigma2)
    test_rate, test_error = _on_test_images(spectrum, used, noise) if spectrum.exact else (math.nan, math.nan)
    return Prediction(
        active_units=int(active.sum()),
        rate=rate,
        distortion=distortion,
        objective=distortion + (kl_weight * rate if kl_weight > 0 else 0.0),
        collapse_lambda=float(spectrum.leading[0]) / sigma2,
        test_rate=test_rate,
        test_distortion=test_error / (2 * sigma2),
        test_objective=test_error / (2 * sigma2) + (kl_weight * test_rate if kl_weight > 0 else 0.0),
        sigma2=sigma2,
        log_term=0.0,
        statistic=torch.where(active, 1 - noise / used, 0.0),
        exact=spectrum.exact,
    )


def predict_learned_variance(spectrum: Spectrum, kl_weight: float, latent: int, n_pixels: int) -> Prediction:
    """The optimal linear VAE that learns the variance of a pixel, too.

    The variance is the solution of D sigma2 = E|x - x_hat|^2, whose right side is the optimum for that variance.

    Raises:
        ValueError: the weight is out of range.
    """
    total, used = spectrum.collapsed_error, _first(spectrum.leading, latent)

    def excess(sigma2: float) -> float:
        return n_pixels * sigma2 - total + float((used - kl_weight * sigma2).clamp_min(0).sum())

    largest = max(total / n_pixels, MIN_SIGMA2)  # with no latent active
    has_root = excess(MIN_SIGMA2) < 0 < excess(largest)
    sigma2 = float(brentq(excess, MIN_SIGMA2, largest, xtol=1e-12)) if has_root else largest
    fixed = predict(spectrum, kl_weight, sigma2, latent)
    log_term = n_pixels / 2 * math.log(sigma2)
    return fixed._replace(
        distortion=fixed.distortion + log_term,
        objective=fixed.objective + log_term,
        test_distortion=fixed.test_distortion + log_term,
        test_objective=fixed.test_objective + log_term,
        collapse_lambda=n_pixels * float(spectrum.leading[0]) / total if total > 0 else 0.0,
        log_term=log_term,
    )


def _first(values: Float[Tensor, " k"], latent: int) -> Float[Tensor, " latent"]:
    """The first `latent` values; more latents than directions have variance 0."""
    used = torch.zeros(latent, dtype=torch.float64)
    used[: len(values)] = values[:latent]
    return used


def _on_test_images(spectrum: Spectrum, used: Float[Tensor, " latent"], noise: float) -> tuple[float, float]:
    """Rate [nats] and mean squared error of the optimum for variances `used` on the test images."""
    active = used > noise
    e, v = used[active], _first(spectrum.test_variances, len(used))[active]
    shrinkage = 1 - noise / e
    error = spectrum.test_error - float(((2 - shrinkage) * shrinkage * v).sum()) + float((shrinkage * noise).sum())
    if noise == 0:
        return math.inf if len(e) else 0.0, error
    rate = 0.5 * (noise / e + (e - noise) * v / e.square() - 1 + torch.log(e / noise)).sum()
    return float(rate), error


def prediction_metrics(prediction: Prediction) -> dict[str, float]:
    """The prediction by metric key; an infinite rate is missing."""
    values = {f"predicted/{name}": float(getattr(prediction, name)) for name in PREDICTED}
    if prediction.log_term:
        values["predicted/sigma2"] = prediction.sigma2
    return {key: value for key, value in values.items() if math.isfinite(value)}


def sentence(prediction: Prediction, kl_weight: float) -> str:
    """The prediction at this lambda in one sentence with the numbers."""
    model = "for a linear model" if prediction.exact else "by a linear approximation (Bernoulli)"
    scale = "e_1" if prediction.sigma2 == 1 or not prediction.exact else "e_1 / sigma2"
    if prediction.log_term:
        model, scale = f"for a linear model with sigma2 = {prediction.sigma2:.3g}", "D e_1 / total variance"
    limit = f"{scale} = {prediction.collapse_lambda:.3g}"
    if kl_weight == 0:
        return f"lambda=0: no collapse and no finite rate predicted {model}: the loss does not contain the rate"
    if prediction.active_units == 0:
        relation = "<" if prediction.collapse_lambda < kl_weight else "="
        return f"lambda={kl_weight:g}: total collapse predicted {model}, {limit} {relation} {kl_weight:g}"
    return (
        f"lambda={kl_weight:g}: {prediction.active_units} of {len(prediction.statistic)} latents active predicted "
        f"{model}, rate {prediction.rate:.2f} and distortion {prediction.distortion:.2f} nats{_test_text(prediction)}; "
        f"total collapse from {limit} on"
    )


def _test_text(prediction: Prediction) -> str:
    if not prediction.exact:
        return ""
    return f" (test images: {prediction.test_rate:.2f} and {prediction.test_distortion:.2f})"


def is_under_trained(objective: float, prediction: Prediction, tolerance: float) -> bool:
    """Whether a Gaussian VAE's objective on the test images exceeds the linear optimum's by more than this share.

    The share is of squared error and rate; the logarithm of a learned variance does not count.
    """
    return objective - prediction.test_objective > tolerance * (prediction.test_objective - prediction.log_term)


def training_gap(rate: float, squared_error: float, prediction: Prediction) -> str:
    """What training left of a linear VAE, in a sentence: measured on the test images against predicted for them.

    Args:
        squared_error: |x - x_hat|^2 per image with x_hat from a sampled latent code.
    """
    predicted = 2 * prediction.sigma2 * (prediction.test_distortion - prediction.log_term)
    gaps = [f"squared error {squared_error / predicted - 1:+.2%}"] if predicted > 0 else []
    if 0 < prediction.test_rate < math.inf:
        gaps.append(f"rate {rate / prediction.test_rate - 1:+.2%}")
    text = ", ".join(gaps) or "nothing to compare, all images are alike"
    return f"measured against the closed form on the test images: {text}; the difference is left by training"


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
