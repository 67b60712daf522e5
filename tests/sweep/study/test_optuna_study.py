"""The Pareto front of a view, against Optuna's own on the study that it ran."""

from __future__ import annotations

import random

import optuna
from optuna_studies import bowl, searched, view_of

from hwsweep.sweep.study.optuna_study import optuna_study, pareto_front


def test_the_pareto_front_is_optunas_for_mixed_directions_and_ties() -> None:
    rng = random.Random(0)

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        return float(rng.randint(0, 9)), float(rng.randint(0, 9)), float(rng.randint(0, 2))

    for directions in (["minimize", "minimize", "minimize"], ["minimize", "maximize", "maximize"]):
        study = searched(objective, 150, directions=directions)
        front = [trial.number for trial in pareto_front(view_of(study))]
        assert front == sorted(trial.number for trial in study.best_trials)


def test_a_trial_with_an_infinite_value_is_not_on_the_front() -> None:
    points = [(1.0, 5.0), (float("inf"), 0.0), (2.0, 2.0), (3.0, 3.0)]
    study = searched(lambda trial: points[trial.number], 4, directions=["minimize", "minimize"])
    assert [trial.number for trial in pareto_front(view_of(study))] == [0, 2]


def test_every_trial_has_the_state_and_the_values_that_the_view_has() -> None:
    view = view_of(searched(bowl, 30, pruner=optuna.pruners.MedianPruner(n_startup_trials=10)))
    view.trials[5:6] = [view.trials[5]._replace(state="interrupted", values=[])]
    view.trials[6:7] = [view.trials[6]._replace(state="paused", values=[])]
    copy = optuna_study(view, {"optimizer.lr": "lr"}).trials
    assert [trial.number for trial in copy] == list(range(30))
    assert copy[3].state.name == "FAIL" and copy[5].state.name == copy[6].state.name == "RUNNING"
    assert [trial.intermediate_values for trial in copy] == [dict(trial.reported) for trial in view.trials]
    assert copy[0].values == view.trials[0].values
    assert set(copy[0].params) == {"lr", "vae.width", "model"}
