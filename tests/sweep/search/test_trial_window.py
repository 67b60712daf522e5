"""What a sampler sees of a long study; expected trials are written down by hand."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.sampling import grid_distribution
from hwsweep.sweep.search.trial_window import TrialWindow

AXIS = {"x": FloatDistribution(0, 1)}
VALUES = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0]


def seen(most: int, maximize: bool) -> list[int]:
    """Numbers of the trials that are seen of a study in which trial 0 still runs, then VALUES, then one that failed."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    study.add_trial(create_trial(state=TrialState.RUNNING, params={"x": 0.5}, distributions=AXIS))
    study.add_trials([create_trial(value=value, params={"x": 0.5}, distributions=AXIS) for value in VALUES])
    study.add_trial(create_trial(state=TrialState.FAIL))
    shown = optuna.load_study(study_name=study.study_name, storage=TrialWindow(storage, most, maximize, {}))
    return [trial.number for trial in shown.get_trials()]


def test_a_study_that_is_short_enough_is_seen_whole() -> None:
    assert seen(11, False) == list(range(11))


@pytest.mark.parametrize(("maximize", "best"), [(False, [2, 4]), (True, [6, 7])])
def test_of_a_long_study_the_best_the_latest_and_what_runs_are_seen(maximize: bool, best: list[int]) -> None:
    # four finished ones: the latest two are trials 9 and 10, the best two of the others have the values 1, 2 or 9, 8
    assert seen(4, maximize) == [0, *best, 9, 10]


def test_what_is_known_of_ended_trials_does_not_hide_those_that_ended_since() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    study.add_trial(create_trial(state=TrialState.RUNNING, params={"x": 0.5}, distributions=AXIS))
    study.add_trials([create_trial(value=value, params={"x": 0.5}, distributions=AXIS) for value in VALUES])
    ended: dict[int, float] = {}

    def numbers() -> list[int]:
        shown = optuna.load_study(study_name=study.study_name, storage=TrialWindow(storage, 4, False, ended))
        return [trial.number for trial in shown.get_trials()]

    assert numbers() == [0, 2, 4, 8, 9]
    study.tell(0, 0.5)
    study.add_trial(create_trial(value=0.1, params={"x": 0.5}, distributions=AXIS))
    assert numbers() == [0, 2, 9, 10]


def test_a_sampler_that_sees_the_whole_study_suggests_the_same() -> None:
    points = []
    for most in (24, None):
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage)
        study.add_trials(
            [create_trial(value=value, params={"x": value / 10}, distributions=AXIS) for value in VALUES * 2]
        )
        place = storage if most is None else TrialWindow(storage, most, False, {})
        sampler = optuna.samplers.TPESampler(seed=1)
        points.append(optuna.load_study(study_name=study.study_name, storage=place, sampler=sampler).ask(AXIS).params)
    assert points[0] == points[1]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (tuple(range(0, 10_000, 5)), optuna.distributions.IntDistribution(0, 9_995)),
        (tuple(place / 8 for place in range(1_000)), FloatDistribution(0, 999 / 8)),
        ((1, 2, 3), optuna.distributions.CategoricalDistribution((1, 2, 3))),
        (("a", *range(200)), optuna.distributions.CategoricalDistribution(("a", *range(200)))),
    ],
)
def test_a_long_list_of_numbers_is_kept_by_its_ends(values: tuple[int, ...], kept: object) -> None:
    spread = grid_distribution(Axis("key", values))
    assert spread == kept
    assert all(spread.to_external_repr(spread.to_internal_repr(value)) == value for value in values)
