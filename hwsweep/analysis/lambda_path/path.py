"""The path of a VAE whose lambda walked through a list, beside the optimum of a linear VAE at each stop."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from hwsweep.analysis import Analysis, vae
from hwsweep.analysis.features import FeaturePlan
from hwsweep.analysis.lambda_path.sentences import closed_form_sentence, gap_sentence, path_sentence
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.spectrum import cached_spectrum
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits
from hwsweep.models.kl.lambda_path import LambdaPath
from hwsweep.models.vae import VAE

Stops = Float64[np.ndarray, " stops"]
"""A number for each stop that has ended, in the order of training."""


class Path(NamedTuple):
    """What was measured on the validation split at the end of each stop; rates and distortions in nats per image."""

    kl_weight: Stops
    rate: Stops
    distortion: Stops
    active_units: Stops
    """NaN with a single image."""
    linear_rate: Stops
    """Of the optimal linear VAE on the same images; NaN if the decoder sees pixels. Of the training images if it is an
    approximation."""
    linear_distortion: Stops
    linear_active_units: Stops
    linear_collapse: float
    """The lambda from which on the linear VAE has no active latent; NaN without a prediction."""


def analyse(
    model: VAE,
    splits: Splits,
    data_digest: str,
    *,
    plan: AnalysisPlan,
    refinement: RefinementPlan,
    features: FeaturePlan,
    tolerance: float,
) -> Analysis:
    """The path, and what `vae.analyse`, which explains the arguments, says of the VAE at the end of it."""
    last = vae.analyse(
        model, splits, data_digest, plan=plan, refinement=refinement, features=features, tolerance=tolerance
    )
    path, is_exact = measured_path(model, splits, data_digest), vae.likelihood_of(model).name == "gaussian"
    told = {
        "path": path_sentence(path),
        "path_gap": gap_sentence(path),
        "path_linear": closed_form_sentence(path, is_exact=is_exact, is_linear=vae.is_linear(model)),
    }
    tags = {name: text for name, text in told.items() if text} | _at_last_lambda(last.tags, model.kl_weight)
    arrays = {f"path_{name}": np.asarray(values) for name, values in path._asdict().items()}
    series = {
        f"stops/{name.replace('kl_weight', 'lambda')}": values.tolist()
        for name, values in path._asdict().items()
        if isinstance(values, np.ndarray) and not np.isnan(values).any()
    }
    sentences = [text for name, text in tags.items() if name != "verdict"]
    return Analysis(last.metrics, {**last.arrays, **arrays}, tags, sentences, series)


def measured_path(model: VAE, splits: Splits, data_digest: str) -> Path:
    """The stops that had ended when the model's weights were stored.

    Args:
        data_digest: of `splits`; part of the cache key of the spectrum.
    """
    term = model.kl_term
    assert isinstance(term, LambdaPath)
    rows = term.measurements.rows.double().cpu().numpy()
    ended: Bool[np.ndarray, " stops"] = np.isfinite(rows[:, 0])
    kl_weight = np.array([float(f"{weight:.6g}") for weight in term.weights.tolist()])[ended]  # as conf gives them
    rate, distortion, active = rows[ended].T
    return Path(kl_weight, rate, distortion, active, *_linear(model, splits, data_digest, kl_weight))


def _linear(model: VAE, splits: Splits, data_digest: str, kl_weight: Stops) -> tuple[Stops, Stops, Stops, float]:
    """Rate, distortion and active units of the optimal linear VAE at each lambda, and its lambda of collapse."""
    if model.pixel_context is not None or not len(kl_weight):
        unknown = np.full(len(kl_weight), np.nan)
        return unknown, unknown, unknown, float("nan")
    on_valid = replace(splits, test=splits.valid)  # the same linear VAE, on the images that the path was measured on
    spectrum = cached_spectrum(on_valid, f"valid {data_digest}", model.latent, vae.likelihood_of(model).name)
    n_pixels = splits.train["image"][0].numel()
    optima = [vae.prediction_of(model, spectrum, n_pixels, float(weight)) for weight in kl_weight]
    return (
        np.array([each.test_rate if each.exact else each.rate for each in optima]),
        np.array([each.test_distortion if each.exact else each.distortion for each in optima]),
        np.array([float(each.active_units) for each in optima]),
        optima[0].collapse_lambda,
    )


def _at_last_lambda(tags: dict[str, str], kl_weight: float) -> dict[str, str]:
    """The sentences about the last VAE with its lambda, which those about a single lambda need not say."""
    return {
        name: text if name in ("verdict", "effective_beta") else f"at the last lambda, {kl_weight:.3g}: {text}"
        for name, text in tags.items()
    }
