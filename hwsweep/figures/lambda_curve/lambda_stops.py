"""The stops of a model for every lambda, as figures of its run need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hwsweep.figures import Trained
from hwsweep.figures.study.sweep_runs import RunNumbers, read_stops

if TYPE_CHECKING:
    from hwsweep.analysis.all_lambda.contract import EveryLambda


def stops_of_run(trained: Trained) -> list[RunNumbers]:
    """Each stop that the run's analysis measured, lambda rising."""
    from hwsweep.analysis.vae import likelihood_of
    from hwsweep.models.likelihoods import OptimalGaussian

    model = cast("EveryLambda", trained.model)
    single = model.at(model.kl_weight)
    name, sigma2 = likelihood_of(single)
    learned = isinstance(single.likelihood, OptimalGaussian)
    return read_stops(trained.arrays, name, None if learned else sigma2, trained.title)
