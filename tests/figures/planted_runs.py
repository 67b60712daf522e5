"""Runs of a study whose linear model is worked out by hand.

Eigenvalues 8, 4, 1 of 16 in all and sigma2 = 2: latents are active below lambda = 4, 2 and 0.5, and the distortion
of total collapse is 16 / (2 * 2) = 4 nats. At lambda = 1 two are active: rate (ln 4 + ln 2) / 2, distortion
4 - (3 + 1) / 2 = 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwsweep.figures.study.sweep_runs import RunNumbers

EIGENVALUES, SIGMA2 = (8.0, 4.0, 1.0), 2.0
OPTIMUM = {  # lambda -> active units, rate, distortion
    0: (3, math.inf, 0.75),
    0.25: (3, math.log(4 * 2 * 0.5 / 0.25**3) / 2, 4 - (3.75 + 1.75 + 0.25) / 2),
    1: (2, math.log(8) / 2, 2.0),
    3: (1, math.log(4 / 3) / 2, 3.5),
    100: (0, 0.0, 4.0),
}


def planted(
    kl_weight: float,
    rate: float = 1.0,
    distortion: float = 3.0,
    *,
    title: str | None = None,
    likelihood: str = "gaussian",
    verdict: str = "healthy",
    kl: Sequence[float] = (0.2, 0.7, 0.1),
    statistic: Sequence[float] = (0.3, 0.8, 0.1),
    mutual_information: float = 0.9,
) -> RunNumbers:
    """A run with these measurements, and the prediction above if `OPTIMUM` knows its lambda."""
    metrics = {
        "test/rate": rate,
        "test/distortion": distortion,
        "test/active_units": float(sum(value > 0.01 for value in statistic)),
        "test/mutual_information": mutual_information,
        "test/mutual_information_error": 0.05,
        "test/mutual_information_cap": 5.0,
    }
    if kl_weight in OPTIMUM:
        _, predicted_rate, metrics["predicted/distortion"] = OPTIMUM[kl_weight]
        if math.isfinite(predicted_rate):
            metrics["predicted/rate"] = predicted_rate
    return RunNumbers(
        title or f"lambda = {kl_weight:g}",
        kl_weight,
        likelihood,
        SIGMA2,
        metrics,
        verdict,
        np.array(kl, dtype=np.float64),
        np.array(statistic, dtype=np.float64),
        np.array(EIGENVALUES),
    )


def sweep(n: int) -> list[RunNumbers]:
    """`n` runs from lambda = 0 to 1000, of which the last ones lie on each other, collapsed."""
    weights = [0.0, *np.geomspace(0.01, 1000, 14)][:n]
    names = ["unregularised"] * 4 + ["healthy"] * 4 + ["partly collapsed (1 of 3 latents)"] * 2 + ["collapsed"] * 5
    return [
        planted(weight, 300 / (1 + 20 * weight**2), 4 - 3 / (1 + weight), verdict=name)
        for weight, name in zip(weights, names, strict=False)
    ]
