"""The trials of a view as a study of Optuna's, in memory, and its Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hwsweep.sweep.study.trial_attributes import UNLISTED, trial_params
from hwsweep.sweep.study.trial_view import STATES, TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

_OPTUNA_STATES = {state: name for name, state in STATES.items()} | {"interrupted": "RUNNING", "paused": "RUNNING"}
"""What Optuna shows the reported values of: complete, pruned and running trials."""


def optuna_study(view: StudyView, names: Mapping[str, str] | None = None) -> Study:
    """A study with the view's trials in their order; a trial with an infinite value counts as failed.

    Args:
        names: key of a swept parameter -> its name in the study; None keeps the keys.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [optuna.study.StudyDirection[direction.upper()] for direction in view.directions]
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), study_name=view.name, directions=directions)
    lists = _longer_lists(view)
    study.add_trials(_optuna_trial(trial, names or {}, lists) for trial in view.trials)
    return study


def _longer_lists(view: StudyView) -> dict[str, CategoricalDistribution]:
    """All values by key, of each key that has one in some trial which the stored list does not hold."""
    from optuna.distributions import CategoricalDistribution

    records = [trial.record for trial in view.trials if trial.record is not None]
    keys = dict.fromkeys(key for record in records for key in record.user_attrs.get(UNLISTED, ()))
    points = list(map(trial_params, records)) if keys else []
    return {key: CategoricalDistribution(list({p[key]: None for p in points if key in p})) for key in keys}


def pareto_front(view: StudyView) -> list[TrialView]:
    """The feasible complete trials, by number, such that no other is as good in every objective and better in one.

    Optuna's `best_trials` says the same, after four copies of every trial: 10 s of 10,000 trials.
    """
    import numpy as np

    trials = [trial for trial in view.feasible_trials if all(map(math.isfinite, trial.values))]
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in view.directions]
    scored = [([s * value for s, value in zip(signs, trial.values, strict=True)], trial) for trial in trials]
    front, values = [], np.empty((0, len(signs)))
    scored.sort(key=lambda pair: pair[0])  # now only an earlier point can dominate a later one
    for point, trial in scored:
        if not ((values <= point).all(axis=1) & (values < point).any(axis=1)).any():
            front.append(trial)
            values = np.vstack([values, point])
    return sorted(front, key=lambda trial: trial.number)


def _optuna_trial(
    trial: TrialView, names: Mapping[str, str], lists: Mapping[str, CategoricalDistribution]
) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    state, record = TrialState[_OPTUNA_STATES[trial.state]], trial.record
    if not all(map(math.isfinite, trial.values)):
        state = TrialState.FAIL
    params = {} if record is None else trial_params(record)
    spreads = {} if record is None else {**record.distributions, **{key: lists[key] for key in params if key in lists}}
    frozen = create_trial(
        state=state,
        values=trial.values if state is TrialState.COMPLETE else None,
        params={names.get(key, key): value for key, value in params.items()},
        distributions={names.get(key, key): spread for key, spread in spreads.items()},
        intermediate_values=dict(trial.reported),
    )
    if record is not None:
        frozen.datetime_start = record.datetime_start
        frozen.datetime_complete = record.datetime_complete if state.is_finished() else None
    return frozen
