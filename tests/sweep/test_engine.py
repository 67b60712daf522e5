"""Whole sweeps of the stub application, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from stub_sweeps import Ran, command, trials

from hwsweep.sweep.study.storage import open_journal

Sweep = Callable[..., Ran]


def test_a_list_is_run_once_a_point_in_order_and_announced_first(sweep: Sweep) -> None:
    ran = sweep("x=0,1,100")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "3 runs: grid over x"
    found = [(t.number, t.params, t.values, t.state.name) for t in ran.trials()]
    assert found == [
        (0, {"x": 0}, [1.0], "COMPLETE"),
        (1, {"x": 1}, [0.0], "COMPLETE"),
        (2, {"x": 100}, [9801.0], "COMPLETE"),
    ]
    assert sorted(path.name for path in ran.studies[0].iterdir() if path.name.isdigit()) == ["0", "1", "2"]
    assert "x is 100" in (ran.studies[0] / "2" / "output.log").read_text()
    assert "x: 100" in (ran.studies[0] / "2" / ".hydra" / "config.yaml").read_text()


def test_a_sampler_never_sees_the_excluded_end_of_a_range_nor_a_point_twice(sweep: Sweep) -> None:
    ran = sweep("x=range(0,4)", "shape=round,square", "hydra.sweeper.n_trials=7")
    assert ran.out.splitlines()[0] == "7 runs: TPESampler over x x shape"
    points = {(trial.params["x"], trial.params["shape"]) for trial in ran.trials()}
    assert len(points) == 7
    assert points < {(x, shape) for x in range(4) for shape in ("round", "square")}


def test_each_way_to_fail_costs_one_trial_and_is_named(sweep: Sweep) -> None:
    ways = ["well", "raise", "nothing", "exit", "memory", "hang", "says\\ why"]
    ran = sweep(
        f"how={','.join(ways)}", "hydra.sweeper.timeout=3", "hydra.sweeper.max_failure_rate=1", "hydra.sweeper.n_jobs=3"
    )
    assert ran.code == 0, ran.err
    reasons = [trial.user_attrs.get("failure", {}).get("reason") for trial in ran.trials()]
    assert reasons == [None, "error", "diverged", "killed", "out-of-memory", "timeout", "error"]
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE"] + ["FAIL"] * 6
    assert "trial 6: no data" in ran.out
    assert "ValueError: no such luck" in ran.out
    assert "stub_app.py how=raise" in ran.out  # the command that runs it again
    assert 'raise ValueError("no such luck")' in ran.outcome(1)["failure"]["traceback"]


def test_a_sweep_with_too_many_failures_is_given_up_with_an_exit_code(sweep: Sweep) -> None:
    ran = sweep("x=1,2,3,4,5", "how=raise")
    assert ran.code == 1
    assert "given up: 3 of 5 trials failed, max_failure_rate=0.5" in ran.err
    assert len(ran.trials()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xx=1,2"], "Could not override 'xx'"),
        (["shape=round,oval"], "Could not find 'shape/oval'"),
        (["x=interval(0,1)"], "x has no end; set the number of trials: hydra.sweeper.n_trials=20"),
        (
            ["x=1,2", "hydra.sweeper.direction=up"],
            "must be minimize or maximize, or a list with one of them per objective, but got 'up'",
        ),
        (["x=1,2", "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n:1}"], "unexpected keyword"),
        (["x=1,2", "hydra.sweeper.sampler._target_=optuna.samplers.Best"], "cannot be found"),
        (["x=1,2", "hydra.sweeper.exclude=['x > 0']"], "leaves no point"),
        (["x=1,2", "hydra.sweeper.gpus_per_trial=1", "hydra.sweeper.n_jobs=99"], "needs 99 GPUs"),
    ],
)
def test_a_command_that_means_nothing_leaves_nothing_behind(sweep: Sweep, arguments: list[str], message: str) -> None:
    ran = sweep(*arguments)
    assert ran.code == 1
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert not ran.outputs.exists()


@pytest.mark.slow
def test_several_objectives_give_a_pareto_front(sweep: Sweep) -> None:
    ran = sweep("x=0,1,2,3", "how=two", "hydra.sweeper.direction=[minimize,minimize]", "+objective=[square,rest]")
    assert [trial.values for trial in ran.trials()] == [[0, 4], [1, 1], [4, 0], [9, 1]]
    (study,) = ran.studies
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(study / "journal.log")))
    assert optuna.load_study(study_name=None, storage=storage).metric_names == ["square", "rest"]
    written = (ran.studies[0] / "optimization_results.yaml").read_text()
    assert written.count("values:") == 3  # x = 3 is dominated by x = 1


def test_a_pruner_ends_a_trial_that_is_worse_than_the_others(sweep: Sweep) -> None:
    median = "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:1}"
    ran = sweep("x=1,5,0", "how=prune", median)
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert ran.trials()[1].intermediate_values == {0: 5.0}


def test_seeds_repeat_each_point_and_give_mean_and_standard_error(sweep: Sweep) -> None:
    ran = sweep("x=1,2", "how=seed", "hydra.sweeper.seeds=3")
    assert ran.out.splitlines()[0] == "6 runs: grid over x, 3 seeds each"
    assert [trial.values for trial in ran.trials()] == [[9.0], [10.0]]  # x + mean(7, 8, 9)
    # standard deviation 1 of three values, over sqrt(3)
    assert ran.trials()[0].user_attrs["standard_errors"] == [pytest.approx(3**-0.5)]
    assert (ran.studies[0] / "1" / "seed_9" / "outcome.json").exists()


@pytest.mark.slow
def test_a_program_can_ask_for_the_swept_values_of_its_trial(sweep: Sweep) -> None:
    ran = sweep("shape=square", "how=params", "x=1.5,'a b'", "hydra.sweeper.seeds=[4]")
    assert "params are {'x': 'a b', 'seed': 4}" in (ran.studies[0] / "1" / "seed_4" / "output.log").read_text()


@pytest.mark.slow
def test_a_trial_may_start_processes_and_computes_with_its_share_of_the_cores(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # the user's own number would stay
    ran = sweep("how=child,threads", "hydra.sweeper.n_jobs=2")
    cores = len(os.sched_getaffinity(0))
    assert [trial.value for trial in ran.trials()] == [3.0, max(1, cores // 2)]


@pytest.mark.slow
def test_each_slot_sees_its_own_device(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    ran = sweep("x=1,2", "how=device", "seconds=0.5", "hydra.sweeper.gpus_per_trial=1", "hydra.sweeper.n_jobs=2")
    assert [trial.value for trial in ran.trials()] == [4.0, 7.0]


@pytest.mark.slow
def test_a_run_killed_from_outside_is_started_again(sweep: Sweep, tmp_path: Path) -> None:
    arguments = ("how=killed\\ once", "hydra.sweeper.max_failure_rate=1")
    assert sweep(*arguments).trials()[0].value == 0.5
    (tmp_path / "killed").unlink()
    (trial,) = sweep(*arguments, "hydra.sweeper.retries=0").trials(1)
    assert trial.user_attrs["failure"]["reason"] == "killed"
    assert "SIGKILL" in trial.user_attrs["failure"]["message"]


def test_no_trial_finds_what_another_has_left_in_memory(sweep: Sweep) -> None:
    assert [trial.value for trial in sweep("x=1,2,3", "how=remember").trials()] == [1, 1, 1]


def test_an_explicit_launcher_runs_the_trials(sweep: Sweep) -> None:
    ran = sweep("x=1,2,3", "how=params,raise", "hydra/launcher=basic", "hydra.sweeper.n_jobs=2")
    assert "Launching 2 jobs locally" in ran.out
    assert "params are {'x': 2, 'how': 'params'}" in ran.out
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE", "FAIL"] * 3
    assert ran.code == 0


def test_a_free_slot_does_not_wait_for_the_slowest(sweep: Sweep) -> None:
    ran = sweep("seconds=1.5,0.1,0.2", "hydra.sweeper.n_jobs=2")
    starts = {t.params["seconds"]: t.datetime_start for t in ran.trials()}
    ends = {t.params["seconds"]: t.datetime_complete for t in ran.trials()}
    # in batches of two the third trial would begin after the first has ended
    assert starts[0.2] < ends[1.5]


def test_editing_the_configuration_while_a_sweep_runs_changes_nothing(tmp_path: Path) -> None:
    import shutil

    here = Path(__file__).parent
    shutil.copy(here / "stub_app.py", tmp_path)
    shutil.copytree(here / "stub_conf", tmp_path / "stub_conf")
    running = subprocess.Popen(
        command("x=1,1.5,2", "shape=round,square", "seconds=0.3", app=tmp_path / "stub_app.py"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline().startswith("6 runs")
    (tmp_path / "stub_conf" / "shape" / "square.yaml").write_text("size: -1\n")
    (tmp_path / "stub_conf" / "config.yaml").write_text("rubbish: [")
    running.communicate(timeout=60)
    assert running.returncode == 0
    (study,) = (tmp_path / "outputs").iterdir()
    assert [trial.value for trial in trials(study)] == [0.0, 100.0, 0.25, 100.25, 1.0, 101.0]


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited for 30 s"
        time.sleep(0.02)
    return value


def interrupt(sweep_folder: Path, number: int, *arguments: str) -> subprocess.Popen[str]:
    """Start a sweep and send it a signal once its first trial runs."""
    running = subprocess.Popen(
        command(*arguments), cwd=sweep_folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: list(sweep_folder.glob("outputs/*/*/process.json")))
    running.send_signal(number)
    running.communicate(timeout=60)
    return running


def test_ctrl_c_leaves_trials_queued_and_the_same_command_goes_on(sweep: Sweep, tmp_path: Path) -> None:
    arguments = ("x=0,1,2", "seconds=0.4")
    assert interrupt(tmp_path, signal.SIGINT, *arguments).returncode == 130
    (study,) = (tmp_path / "outputs").iterdir()
    assert "RUNNING" not in {trial.state.name for trial in trials(study)}
    ran = sweep(*arguments)
    assert ran.studies == [study]
    assert [trial.values for trial in ran.trials()] == [[1.0], [0.0], [1.0]]


@pytest.mark.slow
def test_once_a_study_has_ended_the_same_command_begins_a_new_one_beside_it(sweep: Sweep) -> None:
    assert len(sweep("x=1,2").studies) == 1
    ran = sweep("x=1,2")
    assert [[trial.value for trial in ran.trials(n)] for n in range(len(ran.studies))] == [[0.0, 1.0]] * 2


def test_the_processes_of_a_killed_sweep_die_with_it(tmp_path: Path) -> None:
    running = subprocess.Popen(command("how=hang,hang2"), cwd=tmp_path, stdout=subprocess.DEVNULL)
    worker = wait_for(
        lambda: [
            int(json.loads(p.read_text())["process"].split()[-2]) for p in tmp_path.glob("outputs/*/*/process.json")
        ]
    )[0]
    running.kill()
    running.wait()
    wait_for(lambda: not psutil.pid_exists(worker))


@pytest.mark.slow
def test_a_killed_sweep_goes_on_by_its_name_alone(sweep: Sweep, tmp_path: Path) -> None:
    named = "hydra.sweeper.study_name=night"
    interrupt(tmp_path, signal.SIGKILL, "x=0,1,2", "seconds=0.4", named)
    ran = sweep(named)
    assert ran.code == 0, ran.err
    assert [(trial.params, trial.values) for trial in ran.trials()] == [
        ({"x": 0}, [1.0]),
        ({"x": 1}, [0.0]),
        ({"x": 2}, [1.0]),
    ]
    again = sweep("x=0,1,2", "seconds=0.4", named)
    assert again.out.splitlines()[0] == "3 runs: grid over x; 3 done, 0 to go"
    assert len(again.trials()) == 3


@pytest.mark.slow
def test_an_outcome_that_was_stored_before_the_sweep_died_is_taken_over(sweep: Sweep, tmp_path: Path) -> None:
    arguments = ("how=hang,well",)
    interrupt(tmp_path, signal.SIGKILL, *arguments)
    (trial,) = tmp_path.glob("outputs/*/0")
    (trial / "outcome.json").write_text('{"state": "complete", "values": [42.0], "failure": null, "seconds": 9.0}')
    assert [trial.value for trial in sweep(*arguments).trials()] == [42.0, 0.0]


@pytest.mark.slow
def test_a_named_study_refuses_another_question_and_shows_the_difference(sweep: Sweep) -> None:
    named = "hydra.sweeper.study_name=night"
    sweep("x=0,1", named)
    refused = sweep("x=0,1", "seed=8", named)
    assert refused.code == 1
    assert "config.seed: 7 -> 8" in refused.err
    assert "sweeper.direction: minimize -> maximize" in sweep("x=0,1", named, "hydra.sweeper.direction=maximize").err


@pytest.mark.slow
def test_a_sampled_study_is_filled_up_to_a_larger_total(sweep: Sweep) -> None:
    arguments = ("x=interval(0,1)", "hydra.sweeper.study_name=more")
    first = sweep(*arguments, "hydra.sweeper.n_trials=2").trials()
    ran = sweep(*arguments, "hydra.sweeper.n_trials=4")
    assert ran.out.splitlines()[0].endswith("2 done, 2 to go")
    assert [trial.params for trial in ran.trials()][:2] == [trial.params for trial in first]
    assert len(ran.trials()) == 4


@pytest.mark.slow
def test_the_same_command_twice_at_once_makes_two_studies(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(command("x=1,2", "seconds=0.3"), cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [running.wait() for running in both] == [0, 0]
    studies = list((tmp_path / "outputs").iterdir())
    assert len(studies) == 2
    assert [[trial.value for trial in trials(study)] for study in studies] == [[0.0, 1.0]] * 2


@pytest.mark.slow
def test_a_folder_with_other_files_is_not_taken(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "outputs" / "mine").mkdir(parents=True)
    (tmp_path / "outputs" / "mine" / "thesis.txt").write_text("dear")
    ran = sweep("x=0,1", "hydra.sweeper.study_name=mine")
    assert ran.code == 1
    assert "holds other files (thesis.txt" in ran.err


@pytest.mark.slow
def test_the_study_may_live_in_a_database(sweep: Sweep, tmp_path: Path) -> None:
    import optuna

    url = f"sqlite:///{tmp_path}/studies.db"
    ran = sweep("x=0,1", "hydra.sweeper.study_name=stored", f"hydra.sweeper.storage={url}")
    assert ran.code == 0, ran.err
    study = optuna.load_study(study_name="stored", storage=url)
    assert [trial.values for trial in study.trials] == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("raised", "code"),
    [("SystemExit('no data set')", 1), pytest.param("SystemExit(3)", 3, marks=pytest.mark.slow)],
)
def test_an_observer_that_raises_at_the_start_ends_the_sweep_and_leaves_nothing(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str, code: int
) -> None:
    (tmp_path / "watcher.py").write_text(
        "import pathlib\n"
        "class Watcher:\n"
        f"    def started(self, view): raise {raised}\n"
        "    def finished(self, view): pathlib.Path('finished').touch()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = sweep("x=1,2", "hydra.sweeper.observer={_target_:watcher.Watcher}")
    assert ran.code == code
    assert "trial 0" not in ran.out
    assert ("no data set" in ran.err) == (code == 1)
    assert not ran.outputs.exists()
    assert not (tmp_path / "finished").exists()


def test_with_seeds_the_pruner_judges_the_first_and_gives_up_the_others_with_it(sweep: Sweep) -> None:
    median = "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:1}"
    ran = sweep("x=1,5,0", "how=prune", median, "hydra.sweeper.seeds=3")
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert ran.trials()[1].intermediate_values == {0: 5.0}
    assert sorted(path.name for path in (ran.studies[0] / "1").iterdir()) == ["seed_7"]


def test_an_observer_hears_the_beginning_and_the_end(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watcher.py").write_text(
        "import json, pathlib\n"
        "class Watcher:\n"
        "    def started(self, view): self.write('started', view)\n"
        "    def finished(self, view):\n"
        "        self.write('finished', view)\n"
        "        return 'one of two failed'\n"
        "    def write(self, name, view):\n"
        "        rows = [[t.number, t.params, t.state, t.values, t.failure and t.failure['reason']]\n"
        "                for t in view.trials]\n"
        "        told = {'axes': list(view.axes), 'trials': rows, 'how': view.config.how}\n"
        "        pathlib.Path(name + '.json').write_text(json.dumps(told))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = sweep("x=5", "how=well,raise", "hydra.sweeper.observer={_target_:watcher.Watcher}")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "started.json").read_text()) == {"axes": ["how"], "trials": [], "how": "well"}
    assert json.loads((tmp_path / "finished.json").read_text())["trials"] == [
        [0, {"how": "well"}, "complete", [16.0], None],
        [1, {"how": "raise"}, "failed", [], "error"],
    ]
    study = optuna.load_study(study_name=None, storage=open_journal(ran.studies[0] / "journal.log"))
    assert study.user_attrs["result"] == "one of two failed"


RETURNS = """
import hydra
from hydra._internal.hydra import Hydra

multirun = Hydra.multirun

def shown(*args, **settings):
    [jobs] = multirun(*args, **settings)
    for job in jobs:
        try:
            value = job.return_value
        except RuntimeError as error:
            value = error
        print(job.overrides, job.task_name, job.status.name, repr(value))

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    return 12 / cfg.x

Hydra.multirun = shown
main()
"""


@pytest.mark.slow
def test_hydra_gets_the_results_of_the_jobs_as_from_its_own_sweeper(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(RETURNS)
    ran = sweep("hydra/sweeper=hwsweep", "+x=3,0,4", app=tmp_path / "own.py")
    assert ran.out.splitlines()[-3:] == [
        "['+x=3'] own COMPLETED 4.0",
        "['+x=0'] own FAILED RuntimeError('ZeroDivisionError: division by zero')",
        "['+x=4'] own COMPLETED 3.0",
    ]
