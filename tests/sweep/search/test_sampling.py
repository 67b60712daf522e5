from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.sampling import build_sampler, distribution, suggest
from hwsweep.sweep.search.space import Space

RANDOM = {"_target_": "optuna.samplers.RandomSampler"}
SPACE = Space([Axis("x", None, 0, 1)], [], [], [], {}, {})


class Lacking(optuna.samplers.RandomSampler):
    def sample_relative(self, *_: Any) -> dict[str, Any]:
        raise ImportError("No module named 'cmaes'")


def draw(node: dict[str, Any], number: int, attempt: int = 0) -> float:
    study = optuna.create_study(sampler=build_sampler(node, 7, number, attempt))
    blank = study.trials[0] if study.trials else study.ask()
    return float(suggest(study, study.trials[blank.number], SPACE)["x"])


def test_a_suggestion_depends_on_the_trial_and_not_on_the_moment() -> None:
    assert draw(RANDOM, 3) == draw(RANDOM, 3)
    assert len({draw(RANDOM, number, attempt) for number in range(3) for attempt in range(3)}) == 9


def test_the_end_of_a_range_is_excluded_for_a_sampler() -> None:
    whole = Axis("x", (1, 3, 5, 7), 1, 7, 2, integer=True)  # range(1,8,2)
    assert distribution(whole) == IntDistribution(1, 7, step=2)
    tenths = Axis("x", (0.0, 0.1, 0.2), 0.0, 0.2, 0.1)  # range(0,0.3,0.1)
    assert distribution(tenths) == FloatDistribution(0.0, 0.2, step=0.1)


def test_a_sampler_whose_package_is_missing_is_named() -> None:
    study = optuna.create_study(sampler=Lacking())
    study.ask()
    with pytest.raises(SweepError, match="Lacking needs a package that is not installed: No module named 'cmaes'"):
        suggest(study, study.trials[0], SPACE)
