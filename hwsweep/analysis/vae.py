"""The analysis of a trained VAE: metrics on the test split, and what a linear VAE predicts from the training images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from torch import nn

from hwsweep.analysis import Analysis
from hwsweep.analysis.bounds import bound_sentence
from hwsweep.analysis.features import FeaturePlan, feature_network
from hwsweep.analysis.linear_vae import (
    Prediction,
    kl_weight_of_rate,
    predict,
    predict_learned_variance,
    prediction_metrics,
    training_gap,
    under_trained,
)
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.spectrum import Spectrum, cached_spectrum
from hwsweep.analysis.vae_metrics import AnalysisPlan, compute_metrics
from hwsweep.data import Splits
from hwsweep.models.kl.lambda_path import LambdaPath
from hwsweep.models.kl_terms import Constant, CyclicalAnnealing, LinearAnnealing
from hwsweep.models.likelihoods import Gaussian, OptimalGaussian
from hwsweep.models.target_rate import TargetRate
from hwsweep.models.vae import VAE

SETTLED = 0.02
"""Share of the target within which a rate has settled, and share of lambda below which lambda has."""


class Likelihood(NamedTuple):
    """A VAE's likelihood, as the closed form needs it."""

    name: str
    """bernoulli or gaussian."""
    sigma2: float
    """Variance of a pixel; 1 for a Bernoulli likelihood, which has none."""


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
    """Metrics, verdict and prediction of a VAE in evaluation mode; nothing is predicted if its decoder sees pixels.

    Args:
        data_digest: of `splits`; part of the cache keys of the feature network and the spectrum.
        tolerance: largest share between a trained Gaussian VAE and the linear optimum; beyond it is under-trained.
    """
    computed = compute_metrics(model, splits, feature_network(splits.train, features, data_digest), plan, refinement)
    metrics = computed.metrics
    likelihood = likelihood_of(model)
    n_pixels = splits.train["image"][0].numel()
    tags = {
        "verdict": computed.verdict.label,
        "why": "; ".join(filter(None, (computed.verdict.sentence, _schedule_note(model), computed.not_measured))),
        "effective_beta": effective_beta(model.kl_weight, n_pixels, likelihood),
        "iw_bound": bound_sentence(metrics, plan.importance_samples),
    }
    if isinstance(model.kl_term, TargetRate):
        tags["target_rate"] = target_sentence(model.kl_term, model.kl_weight)
        if not _has_settled(model.kl_term):  # the page of a study shows it beside the verdict
            tags["why"] += f"; {tags['target_rate']}"
    arrays = {
        "kl_per_latent": computed.kl_per_latent.double().numpy(),
        "active_unit_statistic": computed.active_unit_statistic.double().numpy(),
        "eigenvalues": np.zeros(0),
        **{f"latent_{name}": values for name, values in computed.latents._asdict().items()},
    }
    if model.pixel_context is None:
        spectrum = cached_spectrum(splits, data_digest, model.latent, likelihood.name)
        prediction = prediction_of(model, spectrum, n_pixels)
        arrays["eigenvalues"] = spectrum.leading.double().numpy()
        tags |= _distance_tags(model, metrics, prediction, n_pixels, tolerance)
        metrics = metrics | prediction_metrics(prediction)
        if isinstance(model.kl_term, TargetRate):
            metrics |= _predicted_weight(model, model.kl_term.rate, spectrum, n_pixels)
    sentences = [sentence for name, sentence in tags.items() if name != "verdict"]
    return Analysis(metrics, arrays, tags, sentences)


def _distance_tags(
    model: VAE, metrics: Mapping[str, float], prediction: Prediction, n_pixels: int, tolerance: float
) -> dict[str, str]:
    """How far the trained model is from the linear optimum, in sentences by name; none where it need not be near."""
    minimises_elbo = isinstance(
        model.kl_term, Constant | LinearAnnealing | CyclicalAnnealing | TargetRate | LambdaPath
    )  # others lie above it
    if not (prediction.exact and minimises_elbo):
        return {}
    tags = {}
    objective = metrics["test/distortion"] + model.kl_weight * metrics["test/rate"]
    rate = metrics["test/rate"] if is_linear(model) else None
    if reason := under_trained(objective, rate, prediction, tolerance):
        tags["under_trained"] = reason
    if is_linear(model):
        sigma2 = likelihood_of(model).sigma2
        log_term = n_pixels / 2 * math.log(sigma2) if prediction.log_term else 0.0
        squared_error = 2 * sigma2 * (metrics["test/distortion"] - log_term)
        tags["training_gap"] = training_gap(metrics["test/rate"], squared_error, prediction)
    return tags


def _schedule_note(model: VAE) -> str:
    """That the schedule of the KL term had not ended when these weights were trained; empty if it had."""
    clause = model.kl_term.unfinished()
    return f"the schedule of the KL term had not ended: {clause}" if clause else ""


def target_sentence(term: TargetRate, kl_weight: float) -> str:
    """Whether the rate has settled at its target, and with which lambda, in one sentence."""
    end = term.settled()
    direction = "rises" if end.change > 0 else "falls"
    moving = f"lambda still {direction}, by {abs(end.change):.0%} in {end.n_steps} steps"
    last = f"it was {end.rate:.3g} nats in the last {end.n_steps} steps of training"
    if _has_settled(term):
        sentence = f"the rate settled at {end.rate:.4g} nats with lambda = {kl_weight:.3g}"
        return f"{sentence}; {moving}: train longer" if abs(end.change) > SETTLED else sentence
    if end.at_limit:
        limit = "smallest" if end.rate < term.rate else "largest"
        return (
            f"the rate did not reach {term.rate:g} nats: {last}, at the {limit} lambda, {kl_weight:.3g} (`kl.factor`)"
        )
    return f"the rate did not settle at {term.rate:g} nats: {last}, with lambda = {kl_weight:.3g}; {moving}"


def _has_settled(term: TargetRate) -> bool:
    return abs(term.settled().rate / term.rate - 1) <= SETTLED


def _predicted_weight(model: VAE, rate: float, spectrum: Spectrum, n_pixels: int) -> dict[str, float]:
    """The lambda at which a linear VAE has this rate, by metric key; empty if there is none."""
    kl_weight = kl_weight_of_rate(rate, lambda each: prediction_of(model, spectrum, n_pixels, each))
    return {"predicted/kl_weight": kl_weight} if math.isfinite(kl_weight) else {}


def prediction_of(model: VAE, spectrum: Spectrum, n_pixels: int, kl_weight: float | None = None) -> Prediction:
    """The optimum of a linear VAE with the settings of this model, or with this lambda."""
    kl_weight = model.kl_weight if kl_weight is None else kl_weight
    if isinstance(model.likelihood, OptimalGaussian):
        return predict_learned_variance(spectrum, kl_weight, model.latent, n_pixels)
    return predict(spectrum, kl_weight, likelihood_of(model).sigma2, model.latent)


def is_linear(model: VAE) -> bool:
    """Whether encoder and decoder are linear maps, and the decoder sees z alone."""
    if model.pixel_context is not None:
        return False
    linear = (nn.Sequential, nn.Linear, nn.Flatten, nn.Unflatten)
    return all(isinstance(module, linear) for module in (*model.encoder.modules(), *model.decoder.modules()))


def likelihood_of(model: VAE) -> Likelihood:
    """The model's likelihood, whose variance is fixed or learned."""
    if isinstance(model.likelihood, Gaussian | OptimalGaussian):
        return Likelihood("gaussian", float(model.likelihood.sigma2))
    return Likelihood("bernoulli", 1.0)


def effective_beta(kl_weight: float, n_pixels: int, likelihood: Likelihood) -> str:
    """The effective beta in one sentence: the weight of the KL against the log-likelihood, both in nats.

    Higgins et al. (2017) call it beta; 1 is the ELBO. Here it equals lambda, because the reconstruction term is summed
    over the pixels. A loss that is averaged over the pixels has lambda * n_pixels.
    """
    text = f"lambda = {kl_weight:g} on a loss summed over {n_pixels} pixels, in nats: effective beta {kl_weight:g}"
    if likelihood.name == "gaussian":
        limit = f"variance exceeds {kl_weight * likelihood.sigma2:g}"
        text += f"; with sigma2 = {likelihood.sigma2:g} a latent is active if its direction's {limit}"
    return text
