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
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.analysis.spectrum import Spectrum
from hwsweep.models.likelihoods import MIN_SIGMA2

PREDICTED = ("active_units", "rate", "distortion", "objective", "collapse_lambda", "test_rate", "test_distortion")
"""Fields of a prediction that are metrics, `predicted/...`."""


LOWEST_LOG_SHARE = -200.0
"""ln of the smallest lambda that is tried for a rate, as a share of the lambda of total collapse."""


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
    from scipy.optimize import brentq

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


def kl_weight_of_rate(rate: float, prediction_at: Callable[[float], Prediction]) -> float:
    """The lambda, > 0, at which the optimal linear VAE has this rate on the training images; NaN if none has it.

    Args:
        rate: nats per image, > 0.
        prediction_at: the prediction at a lambda.
    """
    from scipy.optimize import brentq

    highest = prediction_at(1.0).collapse_lambda  # there the rate is 0

    def excess(log_share: float) -> float:
        return prediction_at(highest * math.exp(log_share)).rate - rate

    if highest <= 0 or excess(LOWEST_LOG_SHARE) < 0:
        return math.nan
    return highest * math.exp(brentq(excess, LOWEST_LOG_SHARE, 0.0, xtol=1e-12))


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


def under_trained(objective: float, rate: float | None, prediction: Prediction, tolerance: float) -> str:
    """Why a Gaussian VAE is under-trained, in a sentence; empty if it is not.

    Args:
        objective: distortion + lambda * rate on the test images. Its excess counts as a share of squared error and
            rate in it; the logarithm of a learned variance does not count.
        rate: of a linear model on the test images, since a small lambda hides a wrong rate in the objective; None for
            other models, whose optimal rate is unknown. Its distance from the prediction counts as a share of the
            predicted rate, or of 1 nat if that is more.
        tolerance: the largest share of a trained model.
    """
    if objective - prediction.test_objective > tolerance * (prediction.test_objective - prediction.log_term):
        return (
            f"under-trained: on the test images the loss is {objective:.2f}, but a linear VAE reaches "
            f"{prediction.test_objective:.2f}"
        )
    optimum = prediction.test_rate
    if rate is not None and math.isfinite(optimum) and abs(rate - optimum) > tolerance * max(optimum, 1):
        return (
            f"under-trained: on the test images the rate is {rate:.2f} nats, but that of the optimal linear VAE is "
            f"{optimum:.2f}"
        )
    return ""


def training_gap(rate: float, squared_error: float, prediction: Prediction) -> str:
    """How far a trained linear VAE is from its optimum, in a sentence: measured on the test images against predicted.

    Args:
        squared_error: |x - x_hat|^2 per image with x_hat from a sampled latent code.
    """
    predicted = 2 * prediction.sigma2 * (prediction.test_distortion - prediction.log_term)
    start = "compared with the closed form on the test images"
    if predicted <= 0:
        return f"{start}: nothing to compare, all images are alike"
    if prediction.test_rate == 0:
        rate_gap = f"rate {rate:.2g} nats where 0 is predicted"
    elif prediction.test_rate < math.inf:
        rate_gap = f"rate {rate / prediction.test_rate - 1:+.2%}"
    else:
        rate_gap = "no finite rate predicted"
    return (
        f"{start}: squared error {squared_error / predicted - 1:+.2%}, {rate_gap}; "
        "training and the noise of the latent codes leave this difference"
    )
