"""Which trials pause and which go on, against cases worked by hand and against the algorithm as it is published."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from hwsweep.sweep.search.promotion import FirstEpoch, PausingPruner, Progress, Promotion, comparable

PLAIN = Promotion(min=1, eta=3, max=27, brackets=1)


def at(number: int, *values: float, paused: int | None = None, state: str | None = None) -> Progress:
    """A trial that has reported these values, one an epoch."""
    state = state or ("running" if paused is None else "paused")
    return Progress(number, dict(enumerate(values, start=1)), state, paused)  # type: ignore[arg-type]


def test_the_rungs_are_powers_of_eta_below_the_end() -> None:
    assert [PLAIN.rung(0, step) for step in (0, 1, 2, 3, 8, 9, 26, 27, 99)] == [None, 1, 1, 3, 3, 9, 9, 9, 9]
    assert [Promotion(2, 2, 9, 1).rung(0, step) for step in (1, 2, 3, 4, 8)] == [None, 2, 2, 4, 8]


@pytest.mark.parametrize(
    ("values", "pauses"),
    [
        ([5.0], True),  # one trial: a third of one is none
        ([5.0, 4.0], True),
        ([5.0, 6.0, 4.0], False),  # the best of three
        ([5.0, 4.0, 4.5], True),
        ([5.0, 6.0, 7.0, 8.0, 4.0, 4.5], False),  # the second of six
        ([5.0, 6.0, 4.6, 8.0, 4.0, 4.7], True),  # the third of six
        ([4.0, 5.0, 4.0], True),  # of two equal ones the earlier is the better
    ],
)
def test_a_trial_pauses_unless_it_is_among_the_best_third(values: list[float], pauses: bool) -> None:
    trials = [at(number, value) for number, value in enumerate(values)]
    assert PLAIN.pauses(len(values) - 1, 1, trials) is pauses


@pytest.mark.parametrize(
    ("trials", "no_new_trials", "number"),
    [
        ([at(0, 5, paused=1), at(1, 4, paused=1)], False, None),  # two thirds of a trial
        ([at(0, 5, paused=1), at(1, 4, paused=1), at(2, 6, paused=1)], False, 1),
        ([at(0, 5, paused=1), at(1, 4, 3), at(2, 6, paused=1)], False, None),  # the best has gone on
        ([at(0, 5, paused=1), at(1, 4, state="failed"), at(2, 6, paused=1), at(3, 7, paused=1)], False, 0),
        # the highest rung first: 2 is the best of rung 3, 5 the second best of rung 1
        ([*(at(n, 9 - n, 9, 9 - n, paused=3) for n in range(3)), at(3, 9), at(4, 9), at(5, 1, paused=1)], False, 2),
        ([at(0, 5, paused=1), at(1, 4, paused=1)], True, 1),  # nothing else is left: the best one goes on
        ([at(0, 5, paused=1), at(1, 4)], True, None),  # a trial still runs
        ([at(0, 5, paused=1), at(1, 4, 4, 4, paused=3)], True, 1),
        ([at(0, 5, paused=1), at(1, 4, 4, 4, state="ended")], True, None),  # one has been trained to the end
        ([at(0, 5, paused=1), at(1, 4, 4, 4, state="failed")], True, 0),
        ([], True, None),
    ],
)
def test_the_best_paused_trial_of_the_highest_rung_goes_on(
    trials: list[Progress], no_new_trials: bool, number: int | None
) -> None:
    assert PLAIN.next_promotion(trials, no_new_trials) == number


def test_a_trial_that_reports_every_fifth_epoch_is_compared_by_its_first_value_at_the_rung_or_later() -> None:
    trials = [Progress(n, {5: float(n), 10: 0.0}, "paused", 3) for n in range(3)]
    assert [trial.value_at(rung) for trial in trials[:2] for rung in (1, 5, 9, 11)] == [0, 0, 0, None, 1, 1, 0, None]
    assert PLAIN.next_promotion(trials, no_new_trials=False) == 0


def test_brackets_begin_at_later_rungs_and_compare_their_own_trials() -> None:
    pruner = Promotion(min=1, eta=2, max=16, brackets=3)
    assert [pruner.bracket(number) for number in range(9)] == [0, 0, 1, 0, 0, 1, 2, 0, 0]
    assert [[pruner.rung(number, step) for step in (1, 2, 4, 8)] for number in (0, 2, 6)] == [
        [1, 2, 4, 8],
        [None, 2, 4, 8],
        [None, None, 4, 8],
    ]
    trials = [at(n, 9 - n, 9 - n, 9 - n, 9 - n, paused=[1, 1, 2, 1, 1, 2, 4][n]) for n in range(7)]
    assert pruner.next_promotion(trials, no_new_trials=False) == 5  # the only trial of bracket 2 is half of two
    assert pruner.next_promotion(trials, no_new_trials=True) == 6


def test_after_the_first_epoch_of_all_the_best_go_on_to_the_end() -> None:
    pruner = FirstEpoch(epochs=1, keep=2)
    trials = [at(0, 5, paused=1), at(1, 4, paused=1), at(2, 3, paused=1), at(3)]
    assert pruner.pauses(2, 1, trials)
    assert pruner.next_promotion(trials, no_new_trials=True) is None  # trial 3 is at its first epoch
    trials[3] = at(3, 6, paused=1)
    assert pruner.next_promotion(trials, no_new_trials=False) is None
    assert pruner.next_promotion(trials, no_new_trials=True) == 2
    trials[2] = at(2, 3, 2)
    assert pruner.next_promotion(trials, no_new_trials=True) == 1  # while 2 runs
    trials[1] = at(1, 4, 4, state="ended")
    assert pruner.next_promotion(trials, no_new_trials=True) is None
    trials[2] = at(2, 3, 2, state="failed")
    assert pruner.next_promotion(trials, no_new_trials=True) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 9, 1), "`min` must be a whole number, at least 1, but got 0"),
        ((1, 1, 9, 1), "`eta` must be a whole number, at least 2, but got 1"),
        ((1, 3, None, 1), "`max` must be the last step that the program reports: hydra.sweeper.pruner.max=30"),
        ((9, 3, 9, 1), "the first rung of each bracket must be below max=9, but got 9; raise max, or lower min$"),
        ((1, 3, 9, 3), "must be below max=9, but got 9; raise max, or lower min or brackets"),
    ],
)
def test_a_pruner_without_a_rung_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Promotion(*arguments)


def test_values_are_compared_as_smaller_is_better_and_nan_is_the_worst() -> None:
    assert [comparable(2.0, False), comparable(2.0, True), comparable(math.nan, True)] == [2.0, -2.0, math.inf]


def published(curves: Sequence[Sequence[float]], first: int, eta: int, end: int) -> list[tuple[int, int]]:
    """(trial, last epoch) of each job of algorithm 2 of Li et al. 2020 with one worker, until no new trial is left."""
    rungs: list[dict[int, float]] = [{}]
    while first * eta ** len(rungs) < end:
        rungs.append({})
    promoted: list[set[int]] = [set() for _ in rungs]
    jobs: list[tuple[int, int]] = []
    new = iter(range(len(curves)))
    while True:
        job = None
        for k in reversed(range(len(rungs))):
            top = sorted(rungs[k], key=lambda trial, k=k: (rungs[k][trial], trial))[: len(rungs[k]) // eta]  # type: ignore[misc]
            if promotable := [trial for trial in top if trial not in promoted[k]]:
                promoted[k].add(promotable[0])
                job = promotable[0], k + 1
                break
        if job is None:
            if (trial := next(new, None)) is None:
                return jobs
            job = trial, 0
        trial, k = job
        epochs = first * eta**k if k < len(rungs) else end
        jobs.append((trial, epochs))
        if k < len(rungs):
            rungs[k][trial] = curves[trial][epochs - 1]


def played(pruner: PausingPruner, curves: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """(trial, last epoch) of each stretch of a sweep with one slot, until no new trial is left."""
    trials: list[Progress] = []
    jobs: list[tuple[int, int]] = []
    while True:
        number = pruner.next_promotion(trials, no_new_trials=False)
        if number is None:
            if len(trials) == len(curves):
                return jobs
            number = len(trials)
            trials.append(Progress(number, {}, "running", None))
        passed = trials[number].paused or 0
        trials[number] = trials[number]._replace(state="running", paused=None)
        for step in range(len(trials[number].values) + 1, len(curves[number]) + 1):
            trials[number] = trials[number]._replace(values={**trials[number].values, step: curves[number][step - 1]})
            rung = pruner.rung(number, step)
            if step == len(curves[number]):
                trials[number] = trials[number]._replace(state="ended")
                jobs.append((number, step))
            elif rung is not None and rung > passed:
                jobs.append((number, step))
                passed = rung
                if pruner.pauses(number, rung, trials):
                    trials[number] = trials[number]._replace(state="paused", paused=rung)
                    break


@pytest.mark.parametrize("seed", range(20))
def test_one_slot_trains_what_asynchronous_successive_halving_as_published_trains(seed: int) -> None:
    rng = random.Random(seed)
    first, eta, n_rungs = rng.choice([1, 2]), rng.choice([2, 3, 4]), rng.choice([1, 2, 3])
    end = first * eta**n_rungs
    curves = [[round(rng.random() / step, 2) for step in range(1, end + 1)] for _ in range(40)]  # some are equal
    expected = published(curves, first, eta, end)
    assert len(expected) > 40
    assert played(Promotion(first, eta, end, brackets=1), curves) == expected
