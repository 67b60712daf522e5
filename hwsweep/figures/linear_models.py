"""The optimal linear VAE at every lambda, to be drawn beside runs: `analysis.linear_vae` without torch.

In the unit of lambda a latent is worth its rate up to p_k = e_k / sigma2, and the optimum has
rate 1/2 sum ln(p_k / lambda)+ and distortion D_0 - 1/2 sum (p_k - lambda)+, both in nats per image. The eigenvalues
of a Bernoulli likelihood are in nats already: its curve is in the same unit as a Gaussian one, exact where total
collapse begins, and a guide elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from hwsweep.figures.sweep_runs import RunNumbers


class LinearModel(NamedTuple):
    """What the linear VAE on some training images can do."""

    pays_below: Float64[np.ndarray, " latent"]
    """Lambda up to which each latent is active, falling, all positive."""
    collapsed_distortion: float
    """Nats per image when no latent is active; NaN if no run's prediction tells."""
    exact: bool
    """False: a guide only (Bernoulli)."""


def linear_models(runs: Sequence[RunNumbers]) -> list[LinearModel]:
    """The linear models that the runs are to be compared with, each once; none for runs without eigenvalues."""
    found: dict[tuple[str, bytes], LinearModel] = {}
    for run in runs:
        model = _model(run)
        if len(model.pays_below):
            key = (run.likelihood, np.round(model.pays_below, 9).tobytes())
            if key not in found or np.isnan(found[key].collapsed_distortion):
                found[key] = model
    return list(found.values())


def curve(model: LinearModel, most_rate: float, points: int) -> Float64[np.ndarray, "2 points"]:
    """Rate and distortion of the optimum in nats per image, from total collapse to a rate of `most_rate`."""
    pays = model.pays_below
    # with all latents active the rate is 1/2 sum ln p_k - latent / 2 ln lambda
    lowest = min(pays[-1], np.exp(np.log(pays).mean() - 2 * most_rate / len(pays)))
    kl_weight = np.geomspace(pays[0], lowest, points)
    reached = np.maximum(pays[:, None], kl_weight)
    rate = 0.5 * np.log(reached / kl_weight).sum(0)
    return np.stack([rate, model.collapsed_distortion - 0.5 * (reached - kl_weight).sum(0)])


def _model(run: RunNumbers) -> LinearModel:
    exact = run.likelihood == "gaussian"
    pays = run.eigenvalues[: len(run.kl_per_latent)] / (run.sigma2 if exact else 1.0)
    gained = 0.5 * np.maximum(pays - run.kl_weight, 0).sum()
    distortion = run.metrics.get("predicted/distortion", np.nan) + float(gained)
    return LinearModel(pays[pays > 0], distortion, exact)
