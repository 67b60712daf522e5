"""The rate-distortion curve of one model for every lambda, beside that of the optimal linear VAE."""

from __future__ import annotations

from hwsweep.figures import Trained
from hwsweep.figures.lambda_curve.lambda_stops import stops_of_run
from hwsweep.figures.study import rate_distortion
from hwsweep.figures.study.rate_distortion import RateDistortionInfo
from hwsweep.figures.study.sweep_runs import name_some

PANELS = rate_distortion.PANELS
draw = rate_distortion.draw


def info(trained: Trained, n_named: int) -> RateDistortionInfo:
    """A point for each stop; `n_named` of them have their lambda and the linear optimum beside them."""
    return rate_distortion.info(name_some(stops_of_run(trained), n_named))
