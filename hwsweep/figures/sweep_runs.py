"""The numbers of a study's runs, from their stored files: what every figure of a lambda sweep is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

RESULT, ARRAYS = "result.json", "analysis.npz"
"""The files that a run must have left in its folder."""


class RunNumbers(NamedTuple):
    """One analysed run; rates and distortions in nats per image."""

    title: str
    """For instance "lambda = 100"."""
    kl_weight: float
    likelihood: str
    """bernoulli or gaussian."""
    sigma2: float
    """Of a Gaussian likelihood; a Bernoulli one has none, and any value is passed over."""
    metrics: dict[str, float]
    """By key: `test/...` as `analysis.analyse` and `predicted/...` as `analysis.linear_vae` name them."""
    verdict: str
    """The run's verdict; whatever follows the name is passed over."""
    kl_per_latent: Float64[np.ndarray, " latent"]
    active_unit_statistic: Float64[np.ndarray, " latent"]
    eigenvalues: Float64[np.ndarray, " k"]
    """The largest ones of the training images' covariance, as `analysis.linear_vae.spectrum` weighs pixels; may be
    empty where nothing was predicted."""


def read(folder: Path, title: str, kl_weight: float, likelihood: str, sigma2: float) -> RunNumbers:
    """What the run in `folder` stored in result.json and analysis.npz.

    Raises:
        FileNotFoundError: the run was not analysed.
    """
    result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS, allow_pickle=False) as stored:
        kl, statistic, eigenvalues = (
            np.asarray(stored[name], dtype=np.float64)
            for name in ("kl_per_latent", "active_unit_statistic", "eigenvalues")
        )
    return RunNumbers(
        title=title,
        kl_weight=kl_weight,
        likelihood=likelihood,
        sigma2=sigma2,
        metrics={str(key): float(value) for key, value in result["metrics"].items()},
        verdict=result["verdict"],
        kl_per_latent=kl,
        active_unit_statistic=statistic,
        eigenvalues=eigenvalues,
    )


def by_lambda(runs: Sequence[RunNumbers]) -> list[RunNumbers]:
    """The runs with growing lambda, equal ones in the given order.

    Raises:
        ValueError: there is none.
    """
    if not runs:
        raise ValueError("a figure of a study needs an analysed run, but got none")
    return sorted(runs, key=lambda run: run.kl_weight)


def metric(runs: Sequence[RunNumbers], key: str) -> Float64[np.ndarray, " runs"]:
    """That metric of each run; NaN where a run has none."""
    return np.array([run.metrics.get(key, np.nan) for run in runs])
