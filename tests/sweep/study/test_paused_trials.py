"""The trials that pause, as they are stored, and as a sampler sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsweep.sweep.search.promotion import FirstEpoch, Promotion
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.search.trial_window import TrialWindow
from hwsweep.sweep.study.paused_trials import PausedAsPruned, PausedTrials
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore
from hwsweep.sweep.study.trial_view import trial_view


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore("night", open_storage(None, tmp_path), ["maximize"])


def run_to(paused_trials: PausedTrials, number: int, *values: float) -> bool:
    """Let the trial report these values, one an epoch, until it pauses; whether it does."""
    store = paused_trials.store
    for step, value in enumerate(values, start=1):
        store.report(number, value, step)
        if paused_trials.pauses(number, step):
            store.pause(number, {})
            return True
    return False


def test_a_rung_is_passed_once_however_often_a_program_asks(store: TrialStore) -> None:
    paused_trials = PausedTrials(store, Promotion(min=1, eta=2, max=9, brackets=1), maximize=True)
    for number, value in enumerate((0.5, 0.4)):
        store.add({}, {}, {})
        assert run_to(paused_trials, number, value)
    assert (store.paused(), store.waiting()) == ([0, 1], [])
    assert paused_trials.promote(no_new_trials=False) == 0
    assert (store.paused(), store.waiting(), store.trial(0).user_attrs["promoted"]) == ([1], [0], 1)
    assert paused_trials.promote(no_new_trials=False) is None
    store.start(0)
    store.add({}, {}, {})  # a better trial comes while the promoted one begins again
    assert run_to(paused_trials, 2, 0.9, 0.9)
    assert run_to(paused_trials, 0, 0.5, 0.6)
    assert [store.trial(number).user_attrs["paused"] for number in range(3)] == [2, 1, 2]


def test_a_program_that_reads_the_answer_late_is_told_the_same_again(store: TrialStore) -> None:
    paused_trials = PausedTrials(store, FirstEpoch(epochs=1, keep=1), maximize=True)
    store.add({}, {}, {})
    for step in (1, 2, 3):
        store.report(0, 0.1 * step, step)
        assert paused_trials.pauses(0, step)
    assert paused_trials.rung(0) == 1


@pytest.mark.parametrize("size", [100, 2])
def test_a_sampler_sees_paused_trials_as_pruned_ones_with_their_values_of_now(store: TrialStore, size: int) -> None:
    paused_trials = PausedTrials(store, Promotion(min=1, eta=2, max=9, brackets=1), maximize=True)
    for number, value in enumerate((0.5, 0.4)):
        store.add({}, {}, {})
        run_to(paused_trials, number, value)
    for _ in range(2):
        store.add({}, {}, {})
    store.finish(2, TrialResult("complete", [0.1], {}))
    known: dict[int, float] = {}

    def seen() -> list[tuple[int, str, list[float] | None]]:
        window = TrialWindow(PausedAsPruned(store.storage), size, True, known)  # type: ignore[arg-type]
        return [(t.number, t.state.name, t.values) for t in window.get_all_trials(store.study_id)]

    latest = [(3, "RUNNING", None)]
    middle = [(1, "PRUNED", [0.4]), (2, "COMPLETE", [0.1])]
    assert seen() == [(0, "PRUNED", [0.5]), *(middle if size > 2 else []), *latest]
    paused_trials.promote(no_new_trials=False)
    store.start(0)
    run_to(paused_trials, 0, 0.5, 0.05)
    assert seen() == ([(0, "PRUNED", [0.05]), *middle] if size > 2 else [(1, "PRUNED", [0.4])]) + latest
    assert store.trial(0).state.name == "WAITING"


def test_a_trial_is_called_paused_until_it_is_promoted_and_a_stopped_one_leaves_its_place(store: TrialStore) -> None:
    paused_trials = PausedTrials(store, Promotion(min=1, eta=2, max=9, brackets=1), maximize=True)
    for number, value in enumerate((0.5, 0.4, 0.3)):
        store.add({}, {}, {})
        run_to(paused_trials, number, value)
    space = Space([], [], [], [], {}, {})

    def states() -> list[tuple[str, int | None, int | None]]:
        views = [trial_view(space, trial, Path("nowhere"), []) for trial in store.trials()]
        return [(view.state, view.pause, view.promotion) for view in views]

    assert states() == [("paused", 1, None)] * 3
    store.set_attribute(0, "stop", True)
    store.end_stopped()
    assert paused_trials.promote(no_new_trials=False) == 1
    assert states() == [("pruned", 1, None), ("waiting", None, 1), ("paused", 1, None)]
