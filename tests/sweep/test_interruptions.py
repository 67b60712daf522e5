"""Signals, kills and closed pipes at every moment of a sweep: nothing is lost, and the same command goes on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from stub_sweeps import Ran, command, trials

Sweep = Callable[..., Ran]
SIGNALS = [
    signal.SIGINT,
    pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
]


def start(folder: Path, arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    """A sweep in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited for 60 s"
        time.sleep(0.01)
    return value


def trial_processes(folder: Path) -> list[int]:
    records = folder.glob("outputs/*/*/process.json")
    return [int(json.loads(path.read_text())["process"].split()[-2]) for path in records]


@pytest.mark.parametrize("seconds", [0.2, pytest.param(0.5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_the_first_second_is_one_line_and_an_exit_code(
    tmp_path: Path, number: signal.Signals, seconds: float
) -> None:
    running = start(tmp_path, [sys.executable, "-m", "hwsweep", "-m", "vae.lambda=0,1"])
    time.sleep(seconds)
    os.killpg(running.pid, number)  # a terminal sends it to the fork server too
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors.splitlines()) == (128 + number, ["interrupted"])
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_of_a_sweep_is_one_line_and_an_exit_code(
    sweep: Sweep, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = command("x=1,2", "seconds=0.2", "hydra.sweeper.study_name=kept")
    codes = set()
    for tenths in range(12):
        with start(tmp_path, arguments) as running:
            assert running.stdout is not None
            running.stdout.readline()  # the plan: hwsweep runs, and no longer only the imports of the application
            time.sleep(tenths / 10)
            os.killpg(running.pid, number)
            _, errors = running.communicate(timeout=60)
        codes.add(running.returncode)
        assert len(errors.splitlines()) == (running.returncode != 0), errors
    assert codes <= {0, 128 + number}
    ran = sweep("x=1,2", "seconds=0.2", "hydra.sweeper.study_name=kept")
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE"] * 2


KILLED_ONCE = """
import os, pathlib, signal
class Page:
    def started(self, view): pass
    def finished(self, view):
        mark = pathlib.Path("killed")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.{})
        pathlib.Path("page").write_text(str(len(view.trials)))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_a_sweep_that_ends_between_its_last_trial_and_its_page_makes_only_the_page(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    (tmp_path / "watcher.py").write_text(KILLED_ONCE.format(name))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = ("x=1,2", "hydra.sweeper.observer={_target_:watcher.Page}")
    killed = sweep(*arguments)
    assert (killed.code, (tmp_path / "page").exists()) == (code, False)
    goes_on = f"interrupted; the same command goes on where it stopped: {shlex.join(command(*arguments))}\n"
    assert killed.err == (goes_on if name == "SIGINT" else "")
    ran = sweep(*arguments)
    assert ran.code == 0, ran.err
    assert "trial 0" not in ran.out
    assert (tmp_path / "page").read_text() == "2"
    assert len(ran.studies) == 1
    assert len(sweep(*arguments).studies) == 2  # only now has the study ended


@pytest.mark.slow
def test_trials_whose_fork_server_is_killed_run_again(sweep: Sweep) -> None:
    ran = sweep("how=server\\ killed\\ once,hang,well", "hydra.sweeper.n_jobs=2", "hydra.sweeper.timeout=5")
    assert [trial.state.name for trial in ran.trials()] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert ran.trials()[0].value == 0.5
    assert ran.trials()[1].user_attrs["failure"]["reason"] == "timeout"


@pytest.mark.slow
def test_a_trial_that_kills_its_fork_server_each_time_fails_after_its_retries(sweep: Sweep) -> None:
    ran = sweep("how=server\\ killed", "hydra.sweeper.retries=1", "hydra.sweeper.max_failure_rate=1")
    failure = ran.trials()[0].user_attrs["failure"]
    assert (failure["reason"], "SIGKILL" in failure["message"]) == ("killed", True)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_trial_that_reports_while_its_sweep_ends_is_queued_again(
    sweep: Sweep, tmp_path: Path, number: signal.Signals
) -> None:
    running = start(tmp_path, command("how=asks"))
    (process,) = wait_for(lambda: trial_processes(tmp_path))
    wait_for(lambda: list(tmp_path.glob("outputs/*/0/.hydra/overrides.yaml")))
    time.sleep(0.1)
    for _ in range(1 if number == signal.SIGKILL else 2):
        running.send_signal(number)
    running.communicate(timeout=60)
    wait_for(lambda: not psutil.pid_exists(process))
    assert list(tmp_path.glob("outputs/*/0/outcome.json")) == []
    (tmp_path / "calm").touch()
    assert [trial.value for trial in sweep("how=asks").trials()] == [0.5]


@pytest.mark.slow
def test_a_trial_with_an_exit_code_of_its_own_is_queued_again_when_all_are_ended(sweep: Sweep, tmp_path: Path) -> None:
    """Lightning exits with 255, 1 or 143; a batch system sends SIGTERM to all processes of a job."""
    running = start(tmp_path, command("how=exits\\ when\\ told"))
    wait_for((tmp_path / "ready").exists)
    for process in (*trial_processes(tmp_path), running.pid):
        os.kill(process, signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143
    (tmp_path / "calm").touch()
    assert [trial.state.name for trial in sweep("how=exits\\ when\\ told").trials()] == ["COMPLETE"]


def test_a_refused_command_is_over_at_once_and_so_is_what_it_started(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("import time; time.sleep(60)")
    started = time.monotonic()
    refused = start(tmp_path, command("shape=oval,round", "hydra.sweeper.preload=[heavy]"), PYTHONPATH=str(tmp_path))
    output, errors = refused.communicate(timeout=50)  # until nobody holds its output open
    assert (refused.returncode, output) == (1, "")
    assert "Could not find 'shape/oval'" in errors
    assert time.monotonic() - started < 30


@pytest.mark.slow
def test_a_sweep_whose_output_nobody_reads_stops_in_order(sweep: Sweep, tmp_path: Path) -> None:
    with start(tmp_path, command("x=1,2,3", "seconds=0.3")) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        errors = running.stderr.read()
    assert (running.returncode, len(errors.splitlines())) == (141, 1), errors
    assert [trial.state.name for trial in sweep("x=1,2,3", "seconds=0.3").trials()] == ["COMPLETE"] * 3


@pytest.mark.slow
def test_a_sweep_without_an_output_runs(tmp_path: Path) -> None:
    words = " ".join(command("x=1,2"))
    assert subprocess.run(f"{words} >&-", shell=True, cwd=tmp_path, check=False).returncode == 0
    (study,) = (tmp_path / "outputs").iterdir()
    assert [trial.state.name for trial in trials(study)] == ["COMPLETE"] * 2
