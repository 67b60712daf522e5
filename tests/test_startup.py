"""Measures that make a program start and end sooner, and the switch that turns them off."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def measures_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSWEEP_PLAIN", "0")


def output(program: str, folder: Path | None = None) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


INSIDE = """
import atexit, os, sys
from hwsweep.startup import quick_exit
atexit.register(print, "registered first, runs last")
with quick_exit():
    atexit.register(print, "registered inside")
    print("no newline, so not flushed", end=" ")
    {}
"""


@pytest.mark.parametrize(
    ("end", "code", "is_quick"),
    [
        ("pass", 0, True),
        ("sys.exit()", 0, True),
        ("sys.exit(3)", 3, True),
        ("sys.exit('why')", 1, True),
        ("1 / 0", 1, False),
        ("raise KeyboardInterrupt", -signal.SIGINT, False),
    ],
)
def test_a_process_that_returned_or_exited_ends_at_once_with_its_code(end: str, code: int, is_quick: bool) -> None:
    done = subprocess.run([sys.executable, "-c", INSIDE.format(end)], capture_output=True, text=True, check=False)
    lines = ["no newline, so not flushed registered inside", "registered first, runs last"]
    assert (done.returncode, done.stdout.splitlines()) == (code, lines[: 1 if is_quick else 2])
    assert ("why" in done.stderr) == ("why" in end)


@pytest.mark.parametrize(("main", "printed"), [("lambda: None", ""), ("lambda: 1 / 0", "late\n")])
def test_the_command_ends_at_once_unless_it_fails(main: str, printed: str) -> None:
    lines = f"import atexit; atexit.register(print, 'late'); import hwsweep.__main__ as command; command.main = {main}"
    command = [sys.executable, "-c", f"{lines}; command.program()"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == printed


def test_a_fork_server_ends_at_once_and_its_children_as_usual() -> None:
    lines = "import atexit, os; atexit.register(print, 'late'); import hwsweep.sweep.execution.fork_server_preload; {}"
    assert output(lines.format("")) == ""
    child = "os.fork() or print(flush=True) or atexit._run_exitfuncs(); os.wait()"
    assert output(lines.format(child)).split() == ["late"]


STARTS_AND_TRAINS = """
import gc, sys
default = gc.get_threshold()
import hwsweep.__main__ as program
import hwsweep.run
print(gc.get_threshold() > default)
hwsweep.run.run = lambda cfg: print(gc.get_threshold() == default, gc.isenabled(), gc.get_freeze_count() > 0) or 0.0
sys.argv = ["hwsweep", "hydra.run.dir=."]
program.main()
"""


@pytest.mark.slow
def test_garbage_is_collected_rarely_until_the_program_trains(tmp_path: Path) -> None:
    assert output(STARTS_AND_TRAINS, tmp_path).split() == ["True"] * 4


SECOND_JOB = """
import gc
from hwsweep.startup import restore_gc_threshold
gc.disable()
restore_gc_threshold()
exempt = gc.get_freeze_count()
of_the_first_job = [[] for _ in range(1000)]
restore_gc_threshold()
print(exempt > 0, gc.get_freeze_count() == exempt)
"""


def test_garbage_of_the_first_of_two_jobs_in_a_process_is_collected() -> None:
    assert output(SECOND_JOB).split() == ["True"] * 2


@pytest.mark.slow
def test_one_variable_turns_all_measures_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSWEEP_PLAIN", "1")
    assert "registered first, runs last" in output(INSIDE.format("pass"))
    assert output(STARTS_AND_TRAINS, tmp_path).split() == ["False", "True", "True", "False"]
    assert output("import sys, hwsweep.trial_preload; print('torch' in sys.modules)").strip() == "False"


@pytest.mark.slow
def test_a_sweeps_fork_server_imports_what_a_trial_needs() -> None:
    modules = "{'hwsweep.run', 'torch._dynamo', 'mlflow.store.tracking.sqlalchemy_store'}"
    assert output(f"import sys, hwsweep.trial_preload; print({modules} <= set(sys.modules))").strip() == "True"
