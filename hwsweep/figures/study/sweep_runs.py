"""The numbers of a study's runs, from their stored files: the input of the figures of a sweep over lambda."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from hwsweep import run_folder
from hwsweep.figures.drawing import colour_of


class RunNumbers(NamedTuple):
    """One analysed run; rates and distortions in nats per image."""

    title: str
    """For instance "lambda = 100"."""
    kl_weight: float
    likelihood: str
    """bernoulli or gaussian."""
    sigma2: float | None
    """Variance of a pixel, None if it is learned; ignored for a Bernoulli likelihood, which has none."""
    metrics: dict[str, float]
    """By key: `test/...` as `analysis.vae_metrics` and `predicted/...` as `analysis.linear_vae` name them."""
    verdict: str
    """The run's verdict; only its name counts, not the text behind it."""
    kl_per_latent: Float64[np.ndarray, " latent"]
    active_unit_statistic: Float64[np.ndarray, " latent"]
    eigenvalues: Float64[np.ndarray, " k"]
    """The largest ones of the training images' covariance, as `analysis.spectrum` weights the pixels; empty
    if nothing was predicted."""
    study: str = ""
    """Name of the run's study, in figures of several studies."""


def read(folder: Path, title: str, kl_weight: float, likelihood: str, sigma2: float | None) -> RunNumbers:
    """The numbers that the run in `folder` stored.

    Raises:
        FileNotFoundError: the run was not analysed.
    """
    result, arrays = run_folder.read_result(folder), run_folder.read_arrays(folder)
    if "verdict" not in result:
        raise FileNotFoundError(f"{folder / run_folder.RESULT} must hold a verdict; the run was not analysed")
    kl, statistic, eigenvalues = (
        arrays[name].astype(np.float64) for name in ("kl_per_latent", "active_unit_statistic", "eigenvalues")
    )
    return RunNumbers(
        title,
        kl_weight,
        likelihood,
        sigma2,
        {str(key): float(value) for key, value in result["metrics"].items()},
        result["verdict"],
        kl,
        statistic,
        eigenvalues,
    )


def sort_by_lambda(runs: Sequence[RunNumbers]) -> list[RunNumbers]:
    """The runs by rising lambda; runs of the same lambda stay in the given order.

    Raises:
        ValueError: no run.
    """
    if not runs:
        raise ValueError("a figure of a study needs an analysed run, but got none")
    return sorted(runs, key=lambda run: run.kl_weight)


def metric(runs: Sequence[RunNumbers], key: str) -> Float64[np.ndarray, " runs"]:
    """This metric of each run; NaN if a run has none."""
    return np.array([run.metrics.get(key, np.nan) for run in runs])


def titles(runs: Sequence[RunNumbers]) -> np.ndarray:
    """The title of each run."""
    return np.array([run.title for run in runs])


def colours(runs: Sequence[RunNumbers]) -> np.ndarray:
    """The colour of each run's lambda."""
    return np.array([colour_of(run.kl_weight) for run in runs])
