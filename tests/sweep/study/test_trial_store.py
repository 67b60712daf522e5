"""The trials of a study, as Optuna itself reads them back."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from optuna_studies import view_of

from hwsweep.sweep import SweepError
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.trial_attributes import METRICS, trial_metrics
from hwsweep.sweep.study.trial_counts import Counts
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore

COMPLETE = TrialResult("complete", [2.5], {"seconds": 3.0})
FAILED = TrialResult("failed", [], {"failure": {"reason": "error", "message": "no"}})
PRUNED = TrialResult("pruned", [], {})


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore("night", open_storage(None, tmp_path), ["minimize"])


def add(store: TrialStore, number: int) -> int:
    store.add({}, {}, {})
    return number


def test_a_finished_trial_has_its_value_its_state_and_its_attributes(store: TrialStore) -> None:
    store.add({"x": 0.25}, {"x": FloatDistribution(0, 1)}, {"owner": "me"})
    store.finish(0, COMPLETE)
    (trial,) = optuna.load_study(study_name="night", storage=store.storage).trials
    assert (trial.state, trial.params, trial.values) == (TrialState.COMPLETE, {"x": 0.25}, [2.5])
    assert trial.user_attrs == {"owner": "me", "seconds": 3.0}


def test_all_metrics_are_read_back_and_no_tool_shows_them_as_one_text(store: TrialStore) -> None:
    metrics = {f"test/metric_{number}": number / 7 for number in range(300)}
    add(store, 0)
    store.finish(0, TrialResult("complete", [2.5], {"verdict": "healthy", METRICS: metrics}))
    (trial,) = optuna.load_study(study_name="night", storage=store.storage).trials
    assert trial_metrics(trial) == metrics
    assert trial.user_attrs == {"verdict": "healthy"}


def test_metrics_of_a_study_of_an_earlier_version_are_read(store: TrialStore) -> None:
    add(store, 0)
    store.finish(0, TrialResult("complete", [2.5], {"metrics": {"test/rate": 0.5}}))
    assert trial_metrics(store.trial(0)) == {"test/rate": 0.5}


def test_a_pruned_trial_has_its_last_intermediate_value(store: TrialStore) -> None:
    add(store, 0)
    store.report(0, 7.0, step=1)
    store.report(0, 4.0, step=2)
    store.finish(0, PRUNED)
    assert store.trial(0).values == [4.0]
    assert store.values() == []  # it is no complete trial


def test_counts_are_read_from_the_storage_also_of_trials_that_another_process_ends(tmp_path: Path) -> None:
    ours, theirs = (TrialStore("night", open_storage(None, tmp_path), ["minimize"]) for _ in range(2))
    for number in range(5):
        add(ours, number)
    ours.finish(3, COMPLETE)
    assert ours.counts() == Counts(finished=1, failed=0, refused=0, proposed=5)
    theirs.finish(0, FAILED)
    theirs.refuse(4, "too wide")
    theirs.requeue(1)
    assert ours.counts() == theirs.counts() == Counts(finished=2, failed=1, refused=1, proposed=5)
    assert ours.unfinished() == [1, 2]


def test_a_report_of_a_trial_that_another_process_has_ended_is_dropped(store: TrialStore) -> None:
    add(store, 0)
    store.finish(0, COMPLETE)
    store.report(0, 1.0, step=1)
    assert store.trial(0).intermediate_values == {}


def test_a_study_in_which_no_trial_ran_is_deleted_after_an_error_and_any_other_stays(store: TrialStore) -> None:
    add(store, 0)
    store.refuse(0, "too wide")
    with pytest.raises(KeyboardInterrupt), store.deleted_if_unused():
        raise KeyboardInterrupt
    assert optuna.get_all_study_names(store.storage) == []
    used = TrialStore("day", store.storage, ["minimize"])
    add(used, 0)
    with pytest.raises(KeyboardInterrupt), used.deleted_if_unused():
        raise KeyboardInterrupt
    assert optuna.get_all_study_names(store.storage) == ["day"]


def test_a_study_with_other_directions_is_refused(store: TrialStore) -> None:
    with pytest.raises(SweepError, match="'night' in the storage has other directions"):
        TrialStore("night", store.storage, ["maximize"])


def test_a_failed_trial_that_runs_again_counts_as_failed_no_more(store: TrialStore) -> None:
    for _ in range(2):
        store.finish(add(store, store.n_trials()), FAILED)
    assert store.counts().failed == 2
    store.add({}, {}, {"added": {"by": "retry", "of": 0, "overrides": []}})
    assert store.counts() == Counts(finished=2, failed=1, refused=0, proposed=2, added=1)


def test_an_infeasible_trial_is_not_the_best(store: TrialStore) -> None:
    for value, excess in ((1.0, 0.5), (2.0, 0.0)):
        store.finish(add(store, store.n_trials()), TrialResult("complete", [value], {}, {"memory": excess}))
    view = view_of(store.study())
    assert [trial.number for trial in view.feasible_trials] == [1]
    assert view.best_trial is not None and view.best_trial.number == store.study().best_trial.number == 1
