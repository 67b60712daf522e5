"""Sweeps whose trials pause at a rung, and go on from there if they are among the best."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_sweeps import Ran

from hwsweep.sweep.study.stored_view import stored_view

Sweep = Callable[..., Ran]
EPOCHS = Path(__file__).parent / "epochs_app.py"
"""A program of a user's: it knows of pauses as little as of kills, and goes on from its checkpoint."""
PROMOTION = "hydra/sweeper/pruner=promotion"


def starts(ran: Ran, folder: str) -> list[str]:
    """The epoch from which each process of this run has gone on."""
    lines = (ran.studies[0] / folder / "output.log").read_text().splitlines()
    return [line.removeprefix("from epoch ") for line in lines if line.startswith("from epoch ")]


def test_the_best_trial_of_a_rung_goes_on_from_its_checkpoint_in_the_same_folder(sweep: Sweep) -> None:
    ran = sweep("x=5,3,4", PROMOTION, app=EPOCHS)
    assert ran.code == 0, ran.err
    lines = [re.sub(r" \([0-9.]+ s\)$", "", line) for line in ran.out.splitlines() if line.startswith("trial ")]
    assert lines == [
        *("trial 0: x=5", "trial 0: paused at step 1"),
        *("trial 1: x=3", "trial 1: paused at step 1"),
        *("trial 2: x=4", "trial 2: paused at step 1"),
        *("trial 1: x=3 (promoted at step 1)", "trial 1: 3"),
    ]
    assert [(t.state.name, dict(t.intermediate_values)) for t in ran.trials()] == [
        ("PRUNED", {1: 5.0}),
        ("COMPLETE", {1: 3.0, 2: 1.5, 3: 1.0}),
        ("PRUNED", {1: 4.0}),
    ]
    assert [starts(ran, str(number)) for number in range(3)] == [["0"], ["0", "1"], ["0"]]
    parts = [json.loads((ran.studies[0] / "1" / name).read_text()) for name in ("outcome_1.json", "outcome.json")]
    assert [part["state"] for part in parts] == ["pruned", "complete"]
    assert ran.trials()[1].user_attrs["seconds"] == pytest.approx(sum(part["seconds"] for part in parts))
    views = stored_view(ran.studies[0]).trials
    assert [(view.state, view.pause, view.promotion) for view in views] == [
        ("pruned", 1, None),
        ("complete", None, 1),
        ("pruned", 1, None),
    ]
    assert views[1].seconds == pytest.approx(sum(part["seconds"] for part in parts))


@pytest.mark.slow
def test_after_one_epoch_of_all_the_best_goes_on_and_a_sampler_has_learnt_from_the_others(sweep: Sweep) -> None:
    arguments = ["x=interval(1,9)", "hydra.sweeper.n_trials=4", "+hydra.sweeper.sampler.n_startup_trials=2"]
    ran = sweep(*arguments, "hydra/sweeper/pruner=first_epoch", "hydra.sweeper.pruner.keep=1", app=EPOCHS)
    assert ran.code == 0, ran.err
    trials = ran.trials()
    best = min(trials, key=lambda trial: trial.params["x"])
    assert [trial.state.name for trial in trials] == ["COMPLETE" if t is best else "PRUNED" for t in trials]
    assert starts(ran, str(best.number)) == ["0", "1"]


@pytest.mark.slow
def test_of_two_brackets_each_trains_its_best_to_the_end(sweep: Sweep) -> None:
    ran = sweep(
        *("x=5,3,4", "epochs=5", PROMOTION, "hydra.sweeper.pruner.eta=2", "hydra.sweeper.pruner.brackets=2"), app=EPOCHS
    )
    assert ran.code == 0, ran.err
    # trials 0 and 1 compare at steps 1, 2 and 4; trial 2 is a bracket of its own, with rungs 2 and 4
    assert [trial.state.name for trial in ran.trials()] == ["PRUNED", "COMPLETE", "COMPLETE"]
    assert [starts(ran, str(number)) for number in range(3)] == [["0"], ["0", "2", "4"], ["0", "2", "4"]]


@pytest.mark.slow
def test_with_seeds_the_first_climbs_and_the_others_run_once_it_is_at_the_top(sweep: Sweep) -> None:
    ran = sweep("x=5,3,4", PROMOTION, "hydra.sweeper.seeds=[7,8]", "+seed=0", app=EPOCHS)
    assert ran.code == 0, ran.err
    begun = [line.split(":")[0] for line in ran.out.splitlines() if line.startswith("trial ") and "x=" in line]
    assert begun == [f"trial {run}" for run in ("0/seed_7", "1/seed_7", "2/seed_7", "1/seed_7", "1/seed_8")]
    assert [trial.state.name for trial in ran.trials()] == ["PRUNED", "COMPLETE", "PRUNED"]


def test_a_pruner_that_does_not_know_where_a_program_ends_is_refused(sweep: Sweep) -> None:
    ran = sweep("x=1,2", PROMOTION)
    assert ran.code != 0 and "Traceback" not in ran.err and not ran.studies
    assert "`max` must be the last step that the program reports: hydra.sweeper.pruner.max=30" in ran.err
