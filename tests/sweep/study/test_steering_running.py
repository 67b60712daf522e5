"""`python -m hwsweep.study` while processes run the study: each change is taken up, and taken up once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import postgresql
import pytest
from joining import running_trial, runs_in, start
from stub_sweeps import command

from hwsweep.study.__main__ import main
from hwsweep.sweep.study.steering import open_study
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.trial_attributes import is_paused, trial_params

pytestmark = pytest.mark.slow
EPOCHS_APP = Path(__file__).parents[1] / "epochs_app.py"
NAMED = "hydra.sweeper.study_name=night"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "night"


def change(*arguments: str) -> None:
    assert main(["night", *arguments]) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trials(study: Path) -> list[optuna.trial.FrozenTrial]:
    return open_study(study).store.trials()


def states(study: Path) -> list[str]:
    return [trial.state.name for trial in trials(study)]


def test_a_sweep_that_runs_takes_up_each_change(tmp_path: Path, study: Path) -> None:
    sweep = start(tmp_path, "a", ["x=1,2,3", "seconds=60", NAMED])
    running_trial(sweep, tmp_path, "a")
    change("pause")
    change("stop", "0")
    wait_until(lambda: states(study) == ["PRUNED"])  # in a second, not in 60
    wait_until(lambda: "paused: no trial starts until" in (tmp_path / "a.out").read_text())
    change("add", "x=7")
    change("n_trials", "2")
    time.sleep(1)
    assert states(study) == ["PRUNED", "WAITING"]
    change("resume")
    assert running_trial(sweep, tmp_path, "a") == 1
    change("stop", "1")
    wait_until(lambda: states(study) == ["PRUNED", "PRUNED", "RUNNING"])
    change("stop", "2")
    assert sweep.wait(100) == 0, (tmp_path / "a.err").read_text()  # n_trials: two of the grid, and the added one
    assert [trial_params(trial)["x"] for trial in trials(study)] == [1, 7, 2]
    assert "trial 1: stops, as a user asks\ntrial 1: pruned (" in (tmp_path / "a.out").read_text()


@contextmanager
def storage(kind: str) -> Iterator[list[str]]:
    """The command's arguments for the storage."""
    if kind == "journal":
        yield []
        return
    pytest.importorskip("psycopg")
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql.cluster(["studies"]) as urls:
        yield [f"hydra.sweeper.storage='{urls['studies']}'"]


@pytest.mark.parametrize("kind", ["journal", "postgresql"])
def test_two_processes_one_killed_take_what_a_third_adds_once(tmp_path: Path, study: Path, kind: str) -> None:
    with storage(kind) as where:
        arguments = ["x=range(0,6)", "seconds=0.7", NAMED, "hydra.sweeper.join=true", *where]
        sweeps = [start(tmp_path, name, arguments) for name in "ab"]
        first = running_trial(sweeps[0], tmp_path, "a")
        change("add", "x=10")
        change("widen", "x=20,30")
        while (killed := running_trial(sweeps[0], tmp_path, "a")) == first:
            time.sleep(0.01)  # the next one has just begun; the first may have ended unseen
        sweeps[0].kill()
        sweeps[0].wait()
        change("add", "x=11")
        assert sweeps[1].wait(200) == 0, (tmp_path / "b.err").read_text()
        found = trials(study)
    assert sorted(trial_params(trial)["x"] for trial in found) == [0, 1, 2, 3, 4, 5, 10, 11, 20, 30]
    assert {trial.state.name for trial in found} == {"COMPLETE"}
    assert runs_in(study) == dict.fromkeys(range(10), 1) | {killed: 2}
    in_grid = [trial_params(trial)["x"] for trial in found if "added" not in trial.user_attrs]
    assert in_grid == [0, 1, 2, 3, 4, 5, 20, 30]


def test_a_point_of_a_search_in_postgresql_is_stored_with_its_params(tmp_path: Path, study: Path) -> None:
    with storage("postgresql") as where:
        arguments = ["x=interval(0,5)", "shape=round,square", "hydra.sweeper.n_trials=1", NAMED, *where]
        assert start(tmp_path, "a", arguments).wait(100) == 0
        change("add", "x=2", "shape=square")
        change("replicate", "--top", "1", "--seeds", "1")
        assert start(tmp_path, "a", arguments).wait(100) == 0, (tmp_path / "a.err").read_text()
        first, added, again = trials(study)
    assert (added.params, added.state.name) == ({"x": 2.0, "shape": "square"}, "COMPLETE")
    assert (again.params, again.values) == (first.params, first.values)


def test_a_shell_completes_commands_keys_and_trials(tmp_path: Path, study: Path) -> None:
    pytest.importorskip("argcomplete")
    assert start(tmp_path, "a", ["x=1,2", "how=raise", "hydra.sweeper.max_failure_rate=1", NAMED]).wait(100) == 0

    def words(line: str) -> list[str]:
        asked = {"_ARGCOMPLETE": "3", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
        asked |= {"COMP_TYPE": "9", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "words")}
        command = [sys.executable, "-m", "hwsweep.study"]
        subprocess.run(command, env={**os.environ, **asked}, check=True, stderr=subprocess.DEVNULL)
        return (tmp_path / "words").read_text().split()

    assert words("python -m hwsweep.study ni") == ["night"]
    assert words("python -m hwsweep.study night re") == ["retry", "replicate", "resume"]
    assert "x=" in words("python -m hwsweep.study night add ")
    assert {"failed", "0", "1"} <= {*words("python -m hwsweep.study night retry ")}


def test_a_sweep_killed_while_it_is_steered_goes_on_with_every_change(tmp_path: Path, study: Path) -> None:
    arguments = ["x=1,2", "seconds=1", NAMED]
    sweep = start(tmp_path, "a", arguments)
    running_trial(sweep, tmp_path, "a")
    change("pause")
    change("add", "x=7")
    change("widen", "x=3")
    sweep.kill()
    sweep.wait()
    (added,) = (trial.number for trial in trials(study) if "added" in trial.user_attrs)
    change("stop", str(added))
    change("resume")
    assert start(tmp_path, "b", arguments).wait(100) == 0, (tmp_path / "b.err").read_text()
    found = {trial_params(trial)["x"]: trial.state.name for trial in trials(study)}
    assert found == {1: "COMPLETE", 2: "COMPLETE", 7: "PRUNED", 3: "COMPLETE"}


def test_a_paused_trial_that_is_stopped_leaves_its_place_to_the_next_best(tmp_path: Path, study: Path) -> None:
    arguments = ["x=1,2,3", "seconds=0.5", "hydra/sweeper/pruner=first_epoch", "hydra.sweeper.pruner.keep=1", NAMED]
    with subprocess.Popen(command(*arguments, app=EPOCHS_APP), cwd=tmp_path, stdout=subprocess.DEVNULL) as sweep:
        wait_until(lambda: (study / "1").exists())
        assert is_paused(trials(study)[0])
        change("stop", "0")
        assert sweep.wait(100) == 0
    assert [trial.state.name for trial in trials(study)] == ["PRUNED", "COMPLETE", "PRUNED"]
    assert [trial.by_user for trial in stored_view(study).trials] == ["stopped", "", ""]
