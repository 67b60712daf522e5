"""Everything about one trained VAE: measured on the test split, and predicted from the training images."""

from __future__ import annotations

import math
from typing import NamedTuple

from hwsweep.analysis import Measured
from hwsweep.analysis.effective_beta import effective_beta
from hwsweep.analysis.features import FeaturePlan, feature_network
from hwsweep.analysis.linear_vae import kept_spectrum, metrics, predict, under_trained
from hwsweep.analysis.vae_metrics import AnalysisPlan, analyse
from hwsweep.data import Splits
from hwsweep.data.locations import feature_home, spectrum_home
from hwsweep.models.kl_terms import Constant, CyclicalAnnealing, LinearAnnealing
from hwsweep.models.likelihoods import Gaussian, OptimalGaussian
from hwsweep.models.vae import VAE


class Likelihood(NamedTuple):
    """Of a VAE, as the closed form asks for it."""

    name: str
    sigma2: float


def measure(
    model: VAE, splits: Splits, data_digest: str, *, plan: AnalysisPlan, features: FeaturePlan, tolerance: float
) -> Measured:
    """Metrics, verdict and prediction of a VAE in evaluation mode.

    Args:
        data_digest: of `splits`; the feature network and the spectrum are kept under it.
        tolerance: share above the linear optimum from which a Gaussian VAE is called under-trained.
    """
    network = feature_network(splits.train, features, feature_home(), data_digest)
    found = analyse(model, splits, network, plan)
    likelihood = likelihood_of(model)
    eigenvalues = kept_spectrum(splits, data_digest, model.latent, likelihood.name, spectrum_home())
    predicted = predict(eigenvalues, model.kl_weight, likelihood.sigma2, model.latent)
    n_pixels = splits.train["image"][0].numel()
    log_term = n_pixels / 2 * math.log(likelihood.sigma2) if isinstance(model.likelihood, OptimalGaussian) else 0.0
    beta = effective_beta(model.kl_weight, "sum", n_pixels, *likelihood)
    sentences = [found.verdict.sentence, beta.sentence]
    tags = {"verdict": found.verdict.label, "why": found.verdict.sentence, "effective_beta": beta.sentence}
    objective = found.metrics["test/distortion"] - log_term + model.kl_weight * found.metrics["test/rate"]
    minimised = isinstance(model.kl_term, Constant | LinearAnnealing | CyclicalAnnealing)  # others mean to lie above
    if predicted.exact and minimised and under_trained(objective, predicted, tolerance):
        tags["under_trained"] = (
            f"under-trained: the loss {objective:.2f} lies above {predicted.objective:.2f}, which a linear VAE reaches"
        )
        sentences.append(tags["under_trained"])
    arrays = {
        "kl_per_latent": found.kl_per_latent.double().numpy(),
        "active_unit_statistic": found.active_unit_statistic.double().numpy(),
        "eigenvalues": eigenvalues.leading.double().numpy(),
    }
    predicted = predicted._replace(distortion=predicted.distortion + log_term, objective=predicted.objective + log_term)
    return Measured(found.metrics | metrics(predicted), arrays, tags, sentences)


def likelihood_of(model: VAE) -> Likelihood:
    """The model's likelihood, fixed or learned; a Bernoulli one has no variance, and 1 stands in for it."""
    if isinstance(model.likelihood, Gaussian | OptimalGaussian):
        return Likelihood("gaussian", float(model.likelihood.sigma2))
    return Likelihood("bernoulli", 1.0)
