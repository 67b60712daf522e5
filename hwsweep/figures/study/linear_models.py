"""The optimal linear VAE at every lambda, for figures: `analysis.linear_vae` without torch.

With p_k = e_k / sigma2, latent k is active below lambda = p_k, and the optimum has rate 1/2 sum ln(p_k / lambda)+ and
distortion D_0 - 1/2 sum (p_k - lambda)+, both in nats per image. The eigenvalues of a Bernoulli likelihood are in nats
already; its curve has the same unit, is exact where total collapse begins, and is a linear approximation elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from hwsweep.figures.study.sweep_runs import RunNumbers


class LinearModel(NamedTuple):
    """The optimal linear VAE of some training images."""

    active_below: Float64[np.ndarray, " latent"]
    """The lambda below which each latent is active, falling, all positive."""
    collapsed_distortion: float
    """Nats per image when no latent is active; NaN if no run has a prediction."""
    exact: bool
    """False: a linear approximation (Bernoulli)."""


def linear_models(runs: Sequence[RunNumbers]) -> list[LinearModel]:
    """The distinct linear models of the runs; none for runs without eigenvalues.

    None for a learned variance either: it differs from lambda to lambda, and a model's curve has one.
    """
    models: dict[tuple[str, bytes], LinearModel] = {}
    for run in runs:
        if run.sigma2 is None:
            continue
        model = _linear_model(run, run.sigma2)
        if len(model.active_below):
            key = (run.likelihood, np.round(model.active_below, 9).tobytes())
            if key not in models or np.isnan(models[key].collapsed_distortion):
                models[key] = model
    return list(models.values())


def curve(model: LinearModel, max_rate: float, points: int) -> Float64[np.ndarray, "2 points"]:
    """Rate and distortion of the optimum in nats per image, from total collapse to a rate of `max_rate`.

    It ends earlier where lambda would be too small for a float.
    """
    limits = model.active_below
    # with all latents active the rate is 1/2 sum ln p_k - latent / 2 ln lambda
    lowest = min(limits[-1], np.exp(np.log(limits).mean() - 2 * max_rate / len(limits)))
    kl_weight = np.geomspace(limits[0], max(lowest, np.finfo(np.float64).tiny), points)
    reached = np.maximum(limits[:, None], kl_weight)
    rate = 0.5 * (np.log(reached) - np.log(kl_weight)).sum(0)
    return np.stack([rate, model.collapsed_distortion - 0.5 * (reached - kl_weight).sum(0)])


def _linear_model(run: RunNumbers, sigma2: float) -> LinearModel:
    exact = run.likelihood == "gaussian"
    limits = run.eigenvalues[: len(run.kl_per_latent)] / (sigma2 if exact else 1.0)
    gain = 0.5 * np.maximum(limits - run.kl_weight, 0).sum()
    distortion = run.metrics.get("predicted/distortion", np.nan) + float(gain)
    return LinearModel(limits[limits > 0], distortion, exact)
