"""A sweep begins at the points that `start` gives, and ends where `max_seconds` or `patience` says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from stub_sweeps import Ran

from hwsweep.sweep.search import limits
from hwsweep.sweep.search.limits import RunningTime, trials_since_best
from hwsweep.sweep.study import stored_view

Sweep = Callable[..., Ran]


def test_a_search_begins_at_the_points_of_start_and_the_sampler_completes_them(sweep: Sweep) -> None:
    search = ("x=interval(0,4)", "shape=round,square", "hydra.sweeper.n_trials=4")
    ran = sweep(*search, "hydra.sweeper.start=[{x:2,shape:square},{shape:square},{x:0.5}]")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "4 runs: TPESampler over x x shape, the points of start first"
    params = [trial.params for trial in ran.trials()]
    assert len(params) == 4  # the points of start count
    assert params[0] == {"x": 2.0, "shape": "square"}
    assert params[1]["shape"] == "square"
    assert params[2]["x"] == 0.5
    assert 0 <= params[1]["x"] < 4
    assert [trial.by_user for trial in stored_view.stored_view(ran.studies[0]).trials] == ["start"] * 3 + [""]


@pytest.mark.slow
def test_a_grid_runs_the_points_of_start_first_and_the_others_in_their_order(sweep: Sweep) -> None:
    ran = sweep("x=0,1,2", "shape=round,square", "hydra.sweeper.start=[{x:2,shape:square},{x:1}]")
    points = [(trial.params["x"], trial.params["shape"]) for trial in ran.trials()]
    assert points == [(2, "square"), (1, "round"), (1, "square"), (0, "round"), (0, "square"), (2, "round")]


@pytest.mark.slow
def test_a_point_of_start_that_the_program_refuses_is_named_before_the_first_trial(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    check = "hydra.sweeper.check={_target_:refusing.check,least:1}"
    ran = sweep("x=interval(0,4)", "hydra.sweeper.n_trials=2", "hydra.sweeper.start=[{x:0.5}]", check)
    assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
    assert "hydra.sweeper.start: x=0.5 is refused: Impossible: x must be at least 1" in ran.err
    assert not ran.outputs.exists()


def test_a_sweep_without_a_better_value_ends_when_its_patience_does(sweep: Sweep) -> None:
    # (x - 1)^2 is best at x = 1: two trials follow that are worse
    ran = sweep("x=0,1,2,3,4,5", "hydra.sweeper.patience=2", "hydra.sweeper.study_name=kept")
    assert ran.code == 0, ran.err
    assert [trial.params["x"] for trial in ran.trials()] == [0, 1, 2, 3]
    last = "no better value for 2 trials (patience=2): the sweep ends after 4 of 6 trials"
    assert ran.out.splitlines()[-1] == last
    assert stored_view.ending(ran.studies[0]) == last
    assert stored_view.has_ended(ran.studies[0])


def ended(number: int, hour: int, value: float | None, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    trial = create_trial(state=state, value=value)
    trial.number, trial.datetime_complete = number, datetime(2000, 1, 1, hour)
    return trial


def test_patience_counts_the_trials_that_ended_after_the_best_one() -> None:
    pruned, failed = ended(2, 4, None, TrialState.PRUNED), ended(3, 5, None, TrialState.FAIL)
    trials = [ended(0, 6, 2.0), ended(1, 3, 1.0), pruned, failed, ended(4, 7, 1.0)]
    # in the order of their ends: 1.0, pruned, 2.0, 1.0 again, which is not better
    assert trials_since_best(trials, maximize=False) == 3
    assert trials_since_best(trials, maximize=True) == 1
    assert trials_since_best([pruned, failed], maximize=False) == 0
    assert trials_since_best([], maximize=False) == 0


@pytest.mark.slow
def test_a_sweep_ends_after_its_seconds_and_goes_on_with_more_of_them(sweep: Sweep, tmp_path: Path) -> None:
    arguments = ("how=well,exits\\ when\\ told", "hydra.sweeper.study_name=kept")  # the second one takes a minute
    ran = sweep(*arguments, "hydra.sweeper.max_seconds=4")
    assert ran.code == 0, ran.err
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE", "WAITING"]
    last = "max_seconds=4 is reached after 1 of 2 trials; with a larger max_seconds the same command goes on"
    assert ran.out.splitlines()[-1] == last
    assert stored_view.ending(ran.studies[0]) == last
    assert not stored_view.has_ended(ran.studies[0])
    again = sweep(*arguments, "hydra.sweeper.max_seconds=4")  # the time is used up
    assert "trial 1: " not in again.out
    assert again.out.splitlines()[-1] == last
    (tmp_path / "calm").touch()
    ran = sweep(*arguments, "hydra.sweeper.max_seconds=100")
    assert [trial.values for trial in ran.trials()] == [[0], [0]]
    assert stored_view.has_ended(ran.studies[0])


def test_a_killed_sweep_loses_at_most_the_seconds_since_its_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])
    first = RunningTime(tmp_path, 20)
    for _ in range(80):
        clock[0] += 0.1
        first.store()
    # killed after 8 s, 3 s after its last record
    second = RunningTime(tmp_path, 20)
    clock[0] += 14.9
    assert not second.is_up
    clock[0] += 0.2
    assert second.is_up
    second.store(now=True)
    assert RunningTime(tmp_path, 20).is_up
    assert not RunningTime(None, 20).is_up  # a process that joined counts its own time
    assert not RunningTime(tmp_path, None).is_up
