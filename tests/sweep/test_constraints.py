"""Constraints: bounds on what trials report, and values that a program sets; the best trial keeps them."""

from __future__ import annotations

import csv
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from omegaconf import OmegaConf
from stub_sweeps import Ran

from hwsweep.report.gather import gather
from hwsweep.report.model_study import model_study
from hwsweep.report.study_figures import StudyFigures
from hwsweep.report.write import results_csv
from hwsweep.sweep.outcome import Outcome
from hwsweep.sweep.queue import trial_result
from hwsweep.sweep.search.constraints import parse_constraint
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.trial import Constraints

Sweep = Callable[..., Ran]


@pytest.mark.parametrize(
    ("text", "metrics", "violation"),
    [
        ("valid/ece <= 0.05", {"valid/ece": 0.07}, 0.02),
        ("valid/ece<=5e-2", {"valid/ece": 0.05}, 0.0),
        ("active units >= 3", None, None),
        ("test/active_units >= 3", {"test/active_units": 1}, 2.0),
        ("x >= -1", {"x": 4}, -5.0),
        ("x >= -1", {"y": 4}, np.inf),
        ("x >= -1", {"x": np.nan}, np.inf),
    ],
)
def test_a_bound_is_kept_where_its_violation_is_not_above_0(
    text: str, metrics: dict[str, float] | None, violation: float | None
) -> None:
    if metrics is None:
        with pytest.raises(ValueError, match="is no bound"):
            parse_constraint(text)
    else:
        assert parse_constraint(text).violation(metrics) == pytest.approx(violation)


def test_the_last_value_of_a_program_counts_and_must_be_finite() -> None:
    constraints = Constraints()
    constraints.set("memory", 3)
    constraints.set("memory", np.float32(-1))
    assert constraints.values == {"memory": -1.0}
    with pytest.raises(ValueError, match="must be finite, but 'memory' has nan"):
        constraints.set("memory", float("nan"))


def test_over_seeds_a_constraint_has_the_mean_value_of_the_runs_that_all_set_it() -> None:
    outcomes = [Outcome("complete", [0.0], None, 1.0, None, values) for values in ({"a": 1.0, "b": 2.0}, {"a": -4.0})]
    assert trial_result(outcomes, [{}, {}]).constraints == {"a": -1.5}


def test_a_program_sets_constraints_and_the_best_trial_keeps_them(sweep: Sweep) -> None:
    # (x - 1)^2 is best at x = 1, among x >= 2 at x = 2
    ran = sweep("x=0,1,2,3", "how=constrained", "hydra.sweeper.study_name=kept")
    assert ran.code == 0, ran.err
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(ran.studies[0] / "journal.log"))
    )
    study = optuna.load_study(study_name="kept", storage=storage)
    assert [trial.constraints for trial in study.trials] == [{"x is at least 2": 2.0 - x} for x in range(4)]
    assert study.best_trial.params == {"x": 2}  # Optuna's own choice
    assert OmegaConf.load(ran.studies[0] / "optimization_results.yaml").best_params == {"x": 2}
    assert ran.out.count("infeasible") == 2


@pytest.mark.slow
def test_bounds_on_metrics_mark_trials_on_the_page_and_in_the_table(sweep: Sweep) -> None:
    bounds = "hydra.sweeper.constraints=['value <= 4','value >= 1']"
    ran = sweep("x=1,3,0,5", "hydra.sweeper.study_name=kept", bounds)  # 0, 4, 1, 16
    assert ran.code == 0, ran.err
    view = stored_view(ran.studies[0])
    assert [trial.feasibility for trial in view.trials] == ["infeasible", "feasible", "feasible", "infeasible"]
    assert view.best_trial is not None
    assert view.best_trial.params == {"x": 0}
    rows = list(csv.DictReader(results_csv(view).splitlines()))
    assert [row["feasible"] for row in rows] == ["False", "True", "True", "False"]
    assert [float(row["beyond value <= 4"]) for row in rows] == [-4, 0, -3, 12]
    model = model_study(view)
    page = gather(view, model, StudyFigures(view, model, None))
    text = str(page)
    assert "The best of 2 feasible trials is x = 0 (trial 2): value = 1. 2 of 4 finished trials do not keep" in text
    assert "value <= 4: beyond by 12" in text


@pytest.mark.slow
def test_a_metric_that_no_trial_reports_leaves_no_trial_feasible(sweep: Sweep) -> None:
    ran = sweep("x=1,2", "hydra.sweeper.study_name=kept", "hydra.sweeper.constraints=['ece <= 1']")
    assert ran.code == 0, ran.err
    view = stored_view(ran.studies[0])
    assert [trial.constraints for trial in view.trials] == [{"ece <= 1": np.inf}] * 2
    assert view.best_trial is None
    model = model_study(view)
    assert "No finished trial keeps the constraints (2 trials)." in str(
        gather(view, model, StudyFigures(view, model, None))
    )
