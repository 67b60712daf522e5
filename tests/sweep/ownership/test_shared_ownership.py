"""A study that several processes share: every point once, also when one of them dies."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from joining import running_trial, runs_in, start
from omegaconf import OmegaConf
from stub_sweeps import Ran, trials

from hwsweep.sweep import SweepError
from hwsweep.sweep.ownership import heartbeat
from hwsweep.sweep.ownership.heartbeat import Heartbeat
from hwsweep.sweep.ownership.shared_ownership import SharedOwner
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.storage import open_storage
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore

Sweep = Callable[..., Ran]
POINTS = [{"x": x} for x in range(5)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """clock(seconds): let time pass, without waiting, for all heartbeats."""
    now = [1000.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    yield lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.fixture
def member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SharedOwner]:
    """member("mars"): a process on a machine of this name, in a study of five points; its thread does not beat."""

    def make(machine: str, n_points: int = 5) -> SharedOwner:
        points = [{"x": x} for x in range(n_points)]
        space = Space([Axis("x", tuple(range(n_points)))], [], [], [], {}, {})
        plan = SearchPlan(space, list(points), n_points, 0, None, None, ["minimize"], None, None, None)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(heartbeat, "this_process", lambda: f"{machine} 1 0.00")
            store = TrialStore("night", open_storage(None, tmp_path), ["minimize"])
            owner = SharedOwner(Proposals(plan, store, OmegaConf.create()), tmp_path, None, seconds=60)
        monkeypatch.setattr(owner.heartbeat.thread, "start", lambda: None)
        monkeypatch.setattr(owner.heartbeat.thread, "join", lambda: None)
        owner.begin()
        return owner

    return make


def finish(owner: SharedOwner, number: int, value: float) -> None:
    """End the trial, if it still belongs to this process."""
    if owner.owns(number):
        owner.store.finish(number, TrialResult("complete", [value], {}))


def test_two_processes_of_which_one_is_killed_run_every_point_once(tmp_path: Path) -> None:
    arguments = ["x=range(0,8)", "seconds=0.4", "hydra.sweeper.study_name=night", "hydra.sweeper.join=true"]
    victim, other = start(tmp_path, "a", arguments), start(tmp_path, "b", arguments)
    number = running_trial(victim, tmp_path, "a")
    victim.kill()
    victim.wait()
    assert other.wait() == 0, (tmp_path / "b.err").read_text()
    found = trials(tmp_path / "outputs" / "night")
    assert [(t.number, t.params, t.state.name) for t in found] == [(n, {"x": n}, "COMPLETE") for n in range(8)]
    once = dict.fromkeys(range(8), 1)
    assert runs_in(tmp_path / "outputs" / "night") == once | {number: 2}
    assert (tmp_path / "b.out").read_text().splitlines()[-1].endswith("outputs/night")


def test_a_waiting_trial_is_started_by_one_process_only(member: Callable[[str], SharedOwner]) -> None:
    mars, venus = member("mars"), member("venus")
    assert mars.take() == (0, {"x": 0})
    mars.release()
    assert [owner.store.start(0) for owner in (mars, venus, mars)] == [True, False, False]


def test_members_take_different_trials_and_all_of_them(member: Callable[[str], SharedOwner]) -> None:
    mars, venus = member("mars"), member("venus")
    taken = [owner.take() for owner in (mars, venus, venus, mars, venus)]
    assert taken == list(enumerate(POINTS))
    assert mars.take() is venus.take() is None
    assert not mars.nothing_to_wait_for()  # venus may die


def test_members_that_ask_at_the_same_moment_take_every_trial_once(member: Callable[..., SharedOwner]) -> None:
    owners = [member(machine, n_points=60) for machine in ("mars", "venus", "earth", "pluto")]
    with ThreadPoolExecutor(len(owners)) as pool:
        taken = list(pool.map(lambda owner: list(iter(owner.take, None)), owners))
    assert sorted(itertools.chain(*taken)) == [(n, {"x": n}) for n in range(60)]


def test_the_last_point_may_be_taken_while_another_member_looks_what_is_next(
    member: Callable[..., SharedOwner], monkeypatch: pytest.MonkeyPatch
) -> None:
    mars, venus = member("mars", n_points=1).proposals, member("venus", n_points=1)
    counts = mars.store.counts
    monkeypatch.setattr(mars.store, "counts", lambda: (counts(), venus.take())[0])
    assert mars.next_grid_point() == (0, {"x": 0})
    assert mars.next_grid_point() is None


def test_a_study_is_not_over_while_another_member_takes_its_last_point(
    member: Callable[..., SharedOwner], monkeypatch: pytest.MonkeyPatch
) -> None:
    mars, venus = member("mars", n_points=1).proposals, member("venus", n_points=1)
    unfinished = mars.store.unfinished
    monkeypatch.setattr(mars.store, "unfinished", lambda: (venus.take(), unfinished())[1])
    assert not mars.is_over()
    venus.take()
    assert not mars.is_over()
    finish(venus, 0, 0.0)
    assert mars.is_over()


def test_the_trial_of_a_member_is_taken_over_after_its_time_out_and_no_earlier(
    member: Callable[[str], SharedOwner], clock: Callable[[float], None]
) -> None:
    mars, venus = member("mars"), member("venus")
    assert mars.take() == (0, {"x": 0})
    for _ in range(3):
        clock(59)
        mars.heartbeat.beat()
        venus.heartbeat.beat()
    clock(59)
    venus.heartbeat.beat()
    assert venus.take() == (1, {"x": 1})
    clock(2)
    assert venus.take() == (0, {"x": 0})
    assert mars.expired
    assert not venus.expired


def test_what_was_taken_from_a_member_is_no_longer_its_own_to_end(
    member: Callable[[str], SharedOwner], clock: Callable[[float], None]
) -> None:
    mars, venus = member("mars"), member("venus")
    mars.take()
    venus.heartbeat.read()
    clock(61)
    assert venus.take() == (0, {"x": 0})
    finish(mars, 0, 7.0)
    mars.release()
    assert venus.store.trials()[0].state.name == "RUNNING"
    finish(venus, 0, 5.0)
    assert venus.store.trials()[0].values == [5.0]


def test_a_member_that_leaves_lets_its_trials_go_at_once(member: Callable[[str], SharedOwner]) -> None:
    mars, venus = member("mars"), member("venus")
    mars.take()
    mars.release()
    assert not mars.leave(is_over=False)  # venus is there to show the result
    assert venus.take() == (0, {"x": 0})
    venus.release()
    assert venus.leave(is_over=False)


def test_the_first_to_see_that_all_is_over_shows_the_result(member: Callable[[str], SharedOwner]) -> None:
    mars, venus = member("mars"), member("venus")
    for number in range(5):
        mars.take()
        finish(mars, number, 0.0)
    assert mars.nothing_to_wait_for()
    assert venus.nothing_to_wait_for()
    assert [venus.leave(is_over=True), mars.leave(is_over=True)] == [True, False]
    assert member("late").leave(is_over=True)  # asked again: shown again


def test_a_process_of_this_machine_that_has_ended_is_dead_at_once() -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    machine, _, created = heartbeat.this_process().rsplit(" ", 2)
    assert heartbeat.is_gone(f"{machine} {ended.pid} {created}")
    assert heartbeat.is_gone(heartbeat.this_process()[:-3] + "9.99")  # the same pid, another process
    assert not heartbeat.is_gone(heartbeat.this_process())
    assert not heartbeat.is_gone(f"mars/1 {ended.pid} {created}")


def test_a_heart_goes_on_when_the_storage_can_be_reached_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    class Shaky:
        def set_study_attribute(self, key: str, value: Any) -> None:
            if next(calls) == 1:
                raise OSError("no route to host")

        def study_attributes(self) -> dict[str, Any]:
            return {}

    heart = Heartbeat(Shaky(), seconds=0.04)  # type: ignore[arg-type]
    heart.begin()
    heart.thread.join(0.5)
    heart.end()
    assert next(calls) > 4


@pytest.mark.slow
def test_machines_that_ask_different_things_do_not_share_a_study(sweep: Sweep, tmp_path: Path) -> None:
    shared = [f"hydra.sweeper.storage=sqlite:///{tmp_path}/studies.db", "hydra.sweeper.study_name=night"]
    shared += ["hydra.sweeper.join=true", "seconds=0"]
    assert sweep("x=1,2", "hydra.sweep.dir=outputs/mars", *shared).code == 0
    ran = sweep("x=1,3", "hydra.sweep.dir=outputs/venus", *shared)
    assert ran.code == 1
    assert "study 'night' was begun with another configuration" in ran.err
    assert "question.command: " in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.sweeper.join=true"], "join=true needs a name that all processes give: hydra.sweeper.study_name"),
        (["hydra.sweeper.heartbeat=0"], "heartbeat` must be a finite number > 0 (seconds), but got 0"),
    ],
)
def test_a_shared_study_that_cannot_be_is_refused(sweep: Sweep, arguments: list[str], message: str) -> None:
    ran = sweep("x=1,2", *arguments)
    assert (ran.code, ran.studies) == (1, [])
    assert message in ran.err


def test_a_database_without_a_lock_of_ours_is_refused() -> None:
    with pytest.raises(SweepError, match=r"join=true needs a PostgreSQL storage, .* but got mysql"):
        SharedOwner(None, Path(), "mysql://host/studies", seconds=60)  # type: ignore[arg-type]


def test_a_shared_study_that_runs_is_not_for_a_plain_command(tmp_path: Path, sweep: Sweep) -> None:
    arguments = ["x=1,2", "hydra.sweeper.study_name=night"]
    running = start(tmp_path, "a", [*arguments, "how=hang", "hydra.sweeper.join=true"])
    running_trial(running, tmp_path, "a")
    ran = sweep(*arguments, "how=hang")
    running.kill()
    running.wait()
    assert ran.code == 1
    assert "'night' is running in another process" in ran.err
