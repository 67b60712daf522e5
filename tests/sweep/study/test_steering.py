"""`python -m hwsweep.study`: what a user changes of a study between two starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stub_sweeps import Ran, trials

from hwsweep.report.write import results
from hwsweep.study.__main__ import main
from hwsweep.sweep.ownership.ownership import SoleOwner
from hwsweep.sweep.search.space import Point
from hwsweep.sweep.study.optuna_study import optuna_study
from hwsweep.sweep.study.steering import open_study
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.trial_attributes import trial_params
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore

Sweep = Callable[..., Ran]
Study = Callable[..., Path]
Change = Callable[..., str]
GRID = ("x=1,2,3", "how=seed")
TABLE = ("x=1,2", "seed=3,4", "shape=round,square", "hydra.sweeper.zip=[[x,seed]]", "hydra.sweeper.exclude=['x > 5']")
SEARCH = ("x=interval(0,5)", "shape=round,square", "hydra.sweeper.n_trials=3")
FRONT = ("x=1", "how=two", "hydra.sweeper.direction=[minimize,minimize]")
NAMED = "hydra.sweeper.study_name=night"


@pytest.fixture(scope="module")
def ended() -> dict[tuple[str, ...], Path]:
    """The folder of the ended study of each command that a test of this file has run."""
    return {}


@pytest.fixture
def study(
    sweep: Sweep, ended: dict[tuple[str, ...], Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Study:
    """study(*GRID): the folder of the ended study "night" of this command; it runs once for all tests."""

    def make(*arguments: str) -> Path:
        folder = tmp_path / "outputs" / "night"
        if arguments not in ended:
            sweep(*arguments, NAMED)
            ended[arguments] = tmp_path_factory.mktemp("ended") / "night"
            shutil.copytree(folder, ended[arguments])
        elif not folder.exists():
            shutil.copytree(ended[arguments], folder)
        return folder

    return make


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Change:
    """change("add", "x=7"): what the command prints about the study "night"."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        assert main(["night", *arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Change:
    """refuse("add", "x=7"): the one line with which the command refuses to change the study "night"."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        assert main(["night", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def go_on(folder: Path) -> list[tuple[int, Point]]:
    """The trials that the next start of the study's sweep would run, in their order; each ends with a value."""
    study = open_study(folder)
    owner, taken = SoleOwner(study.proposals, folder, None), []
    owner.begin()
    while (trial := owner.take()) is not None:
        taken.append((trial.number, trial.point))
        owner.store.finish(trial.number, TrialResult("complete", [float(trial.point["x"])], {}))
    return taken


def status(folder: Path) -> str:
    return json.loads((folder / "study.json").read_text())["status"]


def test_a_point_added_to_an_ended_study_is_run_by_the_same_command(study: Study, change: Change, sweep: Sweep) -> None:
    folder = study(*GRID)
    assert status(folder) == "ended"
    assert change("add", "x=7").startswith("trial 3 added: x=7; the same command goes on with it, or: ")
    shown = change()
    assert "4 runs: grid over x; 3 done, 1 to go" in shown
    assert "waiting: trial 3, x=7 (add)" in shown
    ran = sweep(*GRID, NAMED)
    assert ran.code == 0
    assert "4 runs: grid over x; 3 done, 1 to go\ntrial 3: x=7\ntrial 3: 14 (" in ran.out  # with the seed, 7
    assert status(folder) == "ended"
    assert trials(folder)[3].values == [14.0]


@pytest.mark.slow
def test_the_best_run_again_with_further_seeds_by_the_name_alone(study: Study, change: Change, sweep: Sweep) -> None:
    folder = study(*GRID)
    said = change("replicate", "--top", "2", "--seeds", "2")
    assert said.startswith("trials 0 and 1, the best, again with other values of seed: trials 3, 4, 5 and 6; ")
    assert change("replicate", "--top", "2", "--seeds", "2") == "trials 0 and 1 have each 2 further seeds already\n"
    ran = sweep(NAMED)
    assert ran.code == 0
    assert [trial.value for trial in trials(folder)][3:] == [1 + 8, 1 + 9, 2 + 8, 2 + 9]  # the study's seed is 7
    assert "trial 3: x=1 seed=8" in ran.out


@pytest.mark.slow
def test_failed_trials_that_are_run_again_do_not_count_as_failures(
    study: Study, change: Change, refuse: Change, sweep: Sweep
) -> None:
    folder = study("x=1,2,3", "how=raise", "hydra.sweeper.max_failure_rate=0.4")  # given up after the second
    assert [trial.state.name for trial in trials(folder)] == ["FAIL", "FAIL"]
    assert refuse("stop", "0") == "hwsweep: trial 0 cannot be stopped: it is failed"
    assert change("retry", "failed").startswith("trials 0 and 1 were added again as trials 2 and 3; ")
    assert open_study(folder).store.counts().failed == 0
    ran = sweep(NAMED)
    assert "given up: 3 of 5 trials failed" in ran.err
    assert [trial.state.name for trial in trials(folder)] == ["FAIL"] * 5


def test_a_widened_grid_keeps_its_numbers_and_runs_each_new_point_once(study: Study, change: Change) -> None:
    folder = study("x=1,2", "seed=3,4")
    change("add", "x=5", "seed=3")
    assert change("widen", "x=7,8").startswith("the grid has x=7,8, too: 4 new points, after the 4 of before; ")
    change("widen", "seed=5")
    new = [{"x": x, "seed": seed} for x in (7, 8) for seed in (3, 4)] + [{"x": x, "seed": 5} for x in (1, 2, 7, 8)]
    assert go_on(folder) == list(enumerate([{"x": 5, "seed": 3}, *new], start=4))
    found = [trial_params(trial) for trial in open_study(folder).store.trials()]
    assert found == [{"x": x, "seed": seed} for x in (1, 2) for seed in (3, 4)] + [{"x": 5, "seed": 3}, *new]


def test_zipped_lists_are_widened_together(study: Study, change: Change) -> None:
    folder = study(*TABLE)
    change("widen", "x=4", "seed=5")
    assert [point for _, point in go_on(folder)] == [
        {"x": 4, "seed": 5, "shape": shape} for shape in ("round", "square")
    ]


def test_more_trials_of_a_search_are_those_that_it_had_had_from_the_start(
    study: Study, change: Change, tmp_path: Path
) -> None:
    folder = study(*SEARCH)  # 3 trials
    shutil.copytree(folder, tmp_path / "outputs" / "other")
    assert change("n_trials", "6").startswith("n_trials=6 instead of 3, 3 to begin; ")
    whole = go_on(folder)
    for n in ("4", "6"):
        main(["other", "n_trials", n])
        half = go_on(tmp_path / "outputs" / "other")
    assert half == whole[1:]
    assert [number for number, _ in whole] == [3, 4, 5]


def test_a_number_of_trials_that_a_user_has_set_holds_and_the_next_start_says_so(
    study: Study, change: Change, sweep: Sweep
) -> None:
    study(*SEARCH)
    change("n_trials", "2")
    ran = sweep(*SEARCH, NAMED)
    assert ran.code == 0
    assert "n_trials=2 holds, set by `python -m hwsweep.study night n_trials`, not 3" in ran.out


def test_a_sampler_chooses_what_an_added_point_leaves_open(study: Study, change: Change) -> None:
    folder = study(*SEARCH)
    change("add", "x=2")
    change("add", "shape=square")
    (first, point), (second, other) = go_on(folder)
    assert (first, point["x"], point["shape"] in ("round", "square")) == (3, 2.0, True)
    assert (second, 0 <= float(other["x"]) < 5, other["shape"]) == (4, True, "square")


def test_no_trial_starts_while_a_study_is_paused(study: Study, change: Change) -> None:
    folder = study(*GRID)
    change("add", "x=7")
    assert change("pause") == "study 'night' is paused: no trial starts\n"
    assert change("pause") == "study 'night' is paused already\n"
    assert "not running, and not at its end, paused: no trial starts" in change()
    assert go_on(folder) == []
    assert not SoleOwner(open_study(folder).proposals, folder, None).nothing_to_wait_for()  # a sweep waits
    change("resume")
    assert go_on(folder) == [(3, {"x": 7})]


def test_a_waiting_trial_that_is_stopped_never_runs(study: Study, change: Change) -> None:
    folder = study(*GRID)
    change("add", "x=7")
    assert change("stop", "3") == "trial 3 stops: the next start of the sweep ends it\n"
    assert "trial 3, x=7 (add), to be stopped" in change()
    assert go_on(folder) == []
    assert [trial.state.name for trial in trials(folder)][3:] == ["PRUNED"]
    assert "3 complete, 1 stopped" in change()
    change("retry", "3")
    assert go_on(folder) == [(4, {"x": 7})]


def test_the_note_and_the_best_value_are_listed(
    study: Study, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    study(*GRID)
    change("note", "before the exam")
    assert "  note: before the exam\n" in change()
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "study  state  trials      best  note",
        "night  ended  3 complete  8     before the exam",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("add x=2", "trial 1 (complete) is at this point already"),
        ("add xx=2", "xx is not swept; did you mean x?"),
        ("add lr=2", "lr is not swept; the swept keys are x"),
        ("add x=4,5", "x gets 2 values, but a point has one of each; `widen` adds several"),
        ("add x", "x cannot be read; write key=value, as in x=1"),
        ("add x=4 x=5", "x is given twice"),
        ("add x=[", "x=[ cannot be read: "),
        ("add x=interval(0,1)", "x=interval(0,1) is an interval; give values"),
        ("widen x=2", "x has 2 already; its values are 1, 2, 3"),
        ("widen x=4,4", "x gets a value twice: 4, 4"),
        ("n_trials 4", "n_trials=4 cannot be: the grid has 3 points; `widen` adds values"),
        ("retry 1", "trial 1 is complete; `retry` runs failed, pruned and stopped trials again"),
        ("retry failed", "no trial of study 'night' has failed without having been added again"),
        ("retry one", "one is no trial; write the numbers of trials or the word failed, as in 4 7"),
        ("stop 1", "trial 1 cannot be stopped: it is complete"),
        ("stop 9", "study 'night' has no trial 9; it has the trials 0 to 2"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_one_line_and_changes_nothing(
    study: Study, refuse: Change, arguments: str, message: str
) -> None:
    folder = study(*GRID)
    before = (folder / "journal.log").read_bytes()
    assert refuse(*arguments.split()).startswith(f"hwsweep: {message}")
    assert ((folder / "journal.log").read_bytes(), status(folder)) == (before, "ended")


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (SEARCH, "add x=9", "x=9 is none of its values: 0 to 5"),
        (SEARCH, "widen shape=oval", "a sampler's space stays as it is"),
        (TABLE, "add x=3 seed=7 shape=oval", "In 'config': Could not find 'shape/oval'"),
        (TABLE, "add x=3 seed=7", "a point of a grid needs a value of each swept key, but shape has none"),
        (TABLE, "add x=9 seed=7 shape=round", "`exclude` leaves it out"),
        (TABLE, "widen x=9 seed=7", "`exclude` leaves no new point"),
        (TABLE, "widen x=3", "x, seed advance together (zip); give each the same number of new values"),
        (TABLE, "replicate --top 1 --seeds 1", "study 'night' sweeps over seed itself"),
        (FRONT, "replicate --top 1 --seeds 1", "study 'night' has 2 objectives, so no trial is the best"),
    ],
)
def test_what_the_program_or_the_search_cannot_take_is_refused(
    study: Study, refuse: Change, command: tuple[str, ...], arguments: str, message: str
) -> None:
    study(*command)
    assert refuse(*arguments.split()).startswith(f"hwsweep: {message}")


@pytest.mark.parametrize("is_written", [True, False])
def test_a_process_killed_at_its_write_has_added_the_whole_trial_or_none(
    study: Study, change: Change, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    folder = study(*GRID)
    add = TrialStore.add

    def killed(store: TrialStore, *arguments: Any, **named: Any) -> int:
        if is_written:
            add(store, *arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    if (child := os.fork()) == 0:
        monkeypatch.setattr(TrialStore, "add", killed)
        main(["night", "add", "x=7"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert ("waiting: trial 3, x=7 (add)" in change()) == is_written
    assert go_on(folder) == [(3, {"x": 7})] * is_written


def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("add", "widen", "n_trials", "retry", "replicate", "stop", "pause", "resume", "note", "list"):
        for words in ([command], ["night", command])[: 1 if command == "list" else 2]:
            with pytest.raises(SystemExit) as exit:
                main([*words, "--help"])
            assert exit.value.code == 0
            name = "list" if command == "list" else f"NAME {command}"
            assert capsys.readouterr().out.startswith(f"usage: python -m hwsweep.study {name}")


def test_the_view_of_a_study_says_what_users_have_done(study: Study, change: Change) -> None:
    folder = study(*GRID)
    change("note", "before the exam")
    change("replicate", "--top", "1", "--seeds", "1")
    change("add", "x=7")
    change("stop", "4")
    assert go_on(folder) == [(3, {"x": 1})]
    change("add", "x=2.5")
    assert go_on(folder) == [(5, {"x": 2.5})]
    view = stored_view(folder)
    assert [trial.params["x"] for trial in optuna_study(view).trials] == [1, 2, 3, 1, 7, 2.5]
    assert view.note == "before the exam"
    assert [trial.by_user for trial in view.trials] == ["", "", "", "replicate of 0: seed=8", "added, stopped", "added"]
    assert view.trials[3].command[-2:] == ["x=1", "seed=8"]
    columns, rows = results(view)
    assert columns[2] == "by a user" and [row["by a user"] for row in rows] == [trial.by_user for trial in view.trials]
