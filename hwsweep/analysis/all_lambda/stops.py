"""A model for every lambda at some stops of lambda: the VAE that it is there, on the test split.

A stop is a lambda; stops are log-spaced over the model's range, its ends included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.analysis import IMAGES_AT_ONCE, Verdict, collapse, vae
from hwsweep.analysis.all_lambda.contract import EveryLambda
from hwsweep.analysis.bounds import exact_distortion, mean_image_distortion
from hwsweep.analysis.linear_vae import Prediction, prediction_metrics
from hwsweep.analysis.posterior import Posterior, encode
from hwsweep.analysis.spectrum import cached_spectrum
from hwsweep.analysis.vae_metrics import AnalysisPlan, set_metrics
from hwsweep.analysis.vae_verdict import verdict
from hwsweep.argument_checks import check_count
from hwsweep.data import Splits
from hwsweep.models.vae import VAE, active_unit_statistic, active_units, pixels

MAX_STOPS = 1000


@dataclass(frozen=True)
class StopsPlan:
    """The number of stops, and how much of the test split is used at each; every value comes from conf."""

    number: int
    images: int
    """Largest number of images for the verdict; rate, distortion and active units are of the whole split."""
    spread_images: int
    """As in `AnalysisPlan`."""
    spread_codes: int
    """As in `AnalysisPlan`."""

    def __post_init__(self) -> None:
        check_count("analysis.stops.number", self.number, least=2, most=MAX_STOPS)
        check_count("analysis.stops.images", self.images, least=10, unit="images")  # fewer have no verdict
        check_count("analysis.stops.spread_images", self.spread_images, least=2, unit="images")
        check_count("analysis.stops.spread_codes", self.spread_codes, least=2)


class Point(NamedTuple):
    """The VAE of one lambda on some images."""

    kl_weight: float
    rate: float
    """Nats per image; without noise."""
    distortion: float
    """Nats per image, from one latent code each."""
    active_units: int
    kl_per_latent: Float[Tensor, " latent"]
    """Nats per image."""
    statistic: Float[Tensor, " latent"]
    """Variance over images of the posterior mean; NaN for a single image."""


class Stop(NamedTuple):
    """A point of the curve with everything that is stored of it."""

    point: Point
    metrics: dict[str, float]
    """By key; among them `STOP_METRICS`, but for those that too few images do not show."""
    verdict: Verdict
    prediction: Prediction


def stops_of(lambda_range: tuple[float, float], number: int) -> list[float]:
    """So many lambdas, log-spaced over the range; its ends are exact."""
    low, high = lambda_range
    return [low, *np.geomspace(low, high, number)[1:-1].tolist(), high]


def measure_point(model: VAE, image: UInt8[Tensor, "n c h w"], plan: AnalysisPlan) -> Point:
    """Rate, distortion and active units of a VAE; every VAE gets the same noise."""
    return _point(model, image, encode(model, image), plan)


@torch.inference_mode()
def _point(model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, plan: AnalysisPlan) -> Point:
    kl, statistic = collapse.kl_per_latent(posterior), torch.full((model.latent,), torch.nan, dtype=torch.float64)
    if len(image) > 1:
        statistic = active_unit_statistic(posterior.mu)
    z = posterior.sample(torch.Generator().manual_seed(plan.seed))
    device, total = next(model.parameters()).device, 0.0
    for codes, some in zip(z.split(IMAGES_AT_ONCE), image.split(IMAGES_AT_ONCE), strict=True):
        total += float(model.distortion(codes.to(device), pixels(some.to(device))).sum(dtype=torch.float64))
    active = active_units(statistic, plan.active_threshold)
    return Point(model.kl_weight, float(kl.sum()), total / len(image), active, kl, statistic)


def measure_stops(
    model: EveryLambda, splits: Splits, data_digest: str, plan: AnalysisPlan, stops: StopsPlan
) -> list[Stop]:
    """The model at each stop, lambda rising."""
    image = splits.test["image"]
    few = image[: stops.images]
    smaller = replace(
        plan,
        set_images=max(plan.ball_neighbours + 1, stops.images),
        spread_images=stops.spread_images,
        spread_codes=stops.spread_codes,
    )
    bounds: dict[vae.Likelihood, dict[str, float]] = {}
    spectrum = cached_spectrum(splits, data_digest, model.latent, vae.likelihood_of(model.at(model.kl_weight)).name)
    curve = []
    for kl_weight in stops_of(model.lambda_range, stops.number):
        single = model.at(kl_weight)
        posterior = encode(single, image)
        point = _point(single, image, posterior, plan)
        if (likelihood := vae.likelihood_of(single)) not in bounds:
            bounds[likelihood] = {
                "test/mean_image_distortion": mean_image_distortion(single, splits),
                "test/exact_distortion": exact_distortion(single, image),
            }
        of_few = Posterior(posterior.mu[: len(few)], posterior.log_var[: len(few)])
        metrics = _verdict_metrics(single, few, of_few, point, smaller) | bounds[likelihood]
        prediction = vae.prediction_of(single, spectrum, image[0].numel())
        word = verdict(metrics, model.latent)
        curve.append(Stop(point, metrics | prediction_metrics(prediction), word, prediction))
    return curve


def _verdict_metrics(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, point: Point, plan: AnalysisPlan
) -> dict[str, float]:
    """What a verdict needs but the bounds of the distortion, by key."""
    metrics = {
        "test/images": float(len(image)),
        "test/rate": point.rate,
        "test/distortion": point.distortion,
    }
    if len(image) > 1:
        metrics["test/active_units"] = float(point.active_units)
        metrics |= set_metrics(model, image, posterior, plan)
    return metrics
