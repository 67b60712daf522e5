"""Another study's trials teach a sampler as trials of its own would."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest

from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.earlier_trials import WithEarlierTrials, earlier_trial
from hwsweep.sweep.search.space import Space

SPACE = Space([Axis("x", None, 0, 4), Axis("+n", (1, 2, 3))], [], [], [], {}, {})


def trial(x: float, n: int, value: float | None) -> optuna.trial.FrozenTrial:
    state = optuna.trial.TrialState.PRUNED if value is None else optuna.trial.TrialState.COMPLETE
    found = earlier_trial(SPACE, optuna.trial.create_trial(state=state, value=value), {"x": x, "n": n})
    assert found is not None
    return found


@pytest.mark.parametrize(
    "sampler", [optuna.samplers.TPESampler, pytest.param(optuna.samplers.GPSampler, marks=pytest.mark.slow)]
)
def test_a_sampler_proposes_what_it_would_if_the_trials_were_of_its_own_study(sampler: Any) -> None:
    rng = np.random.default_rng(0)
    earlier = [
        trial(x, n, (x - 3) ** 2)
        for x, n in zip(rng.uniform(0, 4, 13).tolist(), rng.integers(1, 4, 13).tolist(), strict=True)
    ]
    own = optuna.create_study(sampler=sampler(seed=7))
    own.add_trials(earlier)
    expected = own.ask({axis.key: sampling.distribution(axis) for axis in SPACE.axes}).params

    storage = optuna.storages.InMemoryStorage()
    new = optuna.create_study(storage=storage, study_name="new")
    view: Any = WithEarlierTrials(storage, earlier)
    study = optuna.load_study(study_name="new", storage=view, sampler=sampler(seed=7))
    blank = storage.get_trial(storage.create_new_trial(study._study_id))
    assert sampling.suggest(study, blank, SPACE) == expected
    assert len(new.trials) == 1  # nothing was written


def test_a_trial_that_has_no_point_of_the_space_is_left_out() -> None:
    complete = optuna.trial.create_trial(value=1.0)
    assert earlier_trial(SPACE, complete, {"x": 5, "n": 1}) is None
    assert earlier_trial(SPACE, complete, {"x": 1, "n": 7}) is None
    assert earlier_trial(SPACE, complete, {}) is None
    found = earlier_trial(SPACE, complete, {"x": 2})  # the sampler gets what there is
    assert found is not None
    assert (found.params, found.value) == ({"x": 2.0}, 1.0)
    assert earlier_trial(SPACE, optuna.trial.create_trial(value=float("inf")), {"x": 2}) is None
