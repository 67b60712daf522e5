"""The analysis of a model for every lambda: its curve over the stops, and the VAE at its reference lambda.

At each stop the model is compared with the optimum of a linear VAE, which `linear_vae` knows in closed form (Gaussian
likelihood), or approximates (Bernoulli).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hwsweep.analysis import Analysis, vae
from hwsweep.analysis.all_lambda.contract import EveryLambda
from hwsweep.analysis.all_lambda.sentences import (
    collapse_lambda,
    curve_sentence,
    linear_sentence,
    under_trained_sentence,
)
from hwsweep.analysis.all_lambda.stops import Stop, StopsPlan, measure_stops
from hwsweep.analysis.features import FeaturePlan
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits

STOP_METRICS = (
    *(f"test/{name}" for name in ("rate", "distortion", "active_units", "mutual_information")),
    *(f"test/{name}" for name in ("mutual_information_error", "mutual_information_cap")),
    *(f"predicted/{name}" for name in ("rate", "distortion", "active_units")),
)
"""The metrics of each stop that are stored, as `array_name` says."""
SERIES = {
    "stops/rate": "test/rate",
    "stops/distortion": "test/distortion",
    "stops/active_units": "test/active_units",
    "stops/linear_rate": "predicted/rate",
    "stops/linear_distortion": "predicted/distortion",
}
"""Key of a series -> the metric of each stop."""


def analyse(
    model: EveryLambda,
    splits: Splits,
    data_digest: str,
    *,
    plan: AnalysisPlan,
    refinement: RefinementPlan,
    features: FeaturePlan,
    tolerance: float,
    stops: StopsPlan,
) -> Analysis:
    """The curve over all stops, and the analysis of the VAE at the model's reference lambda.

    Args:
        data_digest: of `splits`; as for `vae.analyse`, which explains the other arguments, too.
    """
    reference = vae.analyse(
        model.at(model.kl_weight),
        splits,
        data_digest,
        plan=plan,
        refinement=refinement,
        features=features,
        tolerance=tolerance,
    )
    curve = measure_stops(model, splits, data_digest, plan, stops)
    tags = {
        "curve": curve_sentence(curve),
        "linear": linear_sentence(curve),
        "under_trained": under_trained_sentence(curve, vae.is_linear(model.at(model.kl_weight)), tolerance),
    }
    for name, text in reference.tags.items():
        tags.setdefault(name, _at_reference(name, text, model.kl_weight))
    tags = {name: text for name, text in tags.items() if text}
    metrics = dict(reference.metrics)
    if (weight := collapse_lambda(curve)) is not None:
        metrics["test/collapse_lambda"] = weight
    series = {"stops/lambda": [stop.point.kl_weight for stop in curve]}
    series |= {key: [stop.metrics.get(metric, np.nan) for stop in curve] for key, metric in SERIES.items()}
    sentences = [text for name, text in tags.items() if name != "verdict"]
    return Analysis(metrics, {**reference.arrays, **stop_arrays(curve)}, tags, sentences, series)


def _at_reference(name: str, text: str, kl_weight: float) -> str:
    """The sentence with its lambda, which the analysis of a single lambda need not say."""
    return text if name in ("verdict", "effective_beta") else f"at lambda = {kl_weight:g} {text}"


def stop_arrays(curve: Sequence[Stop]) -> dict[str, NDArray[Any]]:
    """What figures and the page read of the stops, by name; the first axis is the stop."""
    arrays: dict[str, NDArray[Any]] = {
        "stop_lambda": np.array([stop.point.kl_weight for stop in curve]),
        "stop_verdict": np.array([stop.verdict.label for stop in curve]),
        "stop_kl_per_latent": torch.stack([stop.point.kl_per_latent for stop in curve]).double().numpy(),
        "stop_active_unit_statistic": torch.stack([stop.point.statistic for stop in curve]).double().numpy(),
    }
    for metric in STOP_METRICS:
        arrays[array_name(metric)] = np.array([stop.metrics.get(metric, np.nan) for stop in curve])
    return arrays


def array_name(metric: str) -> str:
    """The name of the array with this metric of each stop."""
    return f"stop_{metric.replace('/', '_')}"
