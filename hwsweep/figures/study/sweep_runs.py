"""The numbers of a study's runs, from their stored files: the input of the figures of a sweep over lambda."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

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


def read_stops(
    arrays: Mapping[str, NDArray[Any]], likelihood: str, sigma2: float | None, study: str
) -> list[RunNumbers]:
    """Each stop of a model for every lambda as a run of its own, lambda rising; empty for any other model.

    Args:
        arrays: what the run's analysis stored.
        study: as in `RunNumbers`.
    """
    metrics = {  # stop_test_active_units holds test/active_units of each stop
        name.removeprefix("stop_").replace("_", "/", 1): values
        for name, values in arrays.items()
        if name.startswith(("stop_test_", "stop_predicted_"))
    }
    return [
        RunNumbers(
            title=f"lambda = {kl_weight:.3g}",
            kl_weight=float(kl_weight),
            likelihood=likelihood,
            sigma2=sigma2,
            metrics={key: float(values[stop]) for key, values in metrics.items() if np.isfinite(values[stop])},
            verdict=str(arrays["stop_verdict"][stop]),
            kl_per_latent=arrays["stop_kl_per_latent"][stop],
            active_unit_statistic=arrays["stop_active_unit_statistic"][stop],
            eigenvalues=arrays["eigenvalues"],
            study=study,
        )
        for stop, kl_weight in enumerate(arrays.get("stop_lambda", ()))
    ]


def name_some(stops: Sequence[RunNumbers], n_named: int) -> list[RunNumbers]:
    """The same; all but `n_named` at even distances have no title and no predicted point, which would be too many."""
    return name_at(stops, evenly_spaced(len(stops), n_named).tolist())


def name_at(runs: Sequence[RunNumbers], named: Iterable[int]) -> list[RunNumbers]:
    """The same; all but those at these places have no title and no predicted point."""
    places = set(named)
    return [
        run
        if place in places
        else run._replace(
            title="", metrics={key: value for key, value in run.metrics.items() if not key.startswith("predicted/")}
        )
        for place, run in enumerate(runs)
    ]


def evenly_spaced(n_stops: int, n_shown: int) -> Int64[np.ndarray, " shown"]:
    """The indices of at most `n_shown` stops at even distances, the first and the last included."""
    return np.unique(np.linspace(0, n_stops - 1, min(n_shown, n_stops)).round().astype(np.int64))


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
