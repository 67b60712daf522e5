"""A process that ends without unloading its modules."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

INSIDE = """
import atexit, os, sys
from hwsweep.sweep.ending import quick_end
atexit.register(print, "first registered, last done")
with quick_end():
    atexit.register(print, "registered inside")
    print("no newline, so not flushed", end=" ")
    {}
"""


@pytest.mark.parametrize(
    ("then", "code", "at_once"),
    [
        ("pass", 0, True),
        ("sys.exit()", 0, True),
        ("sys.exit(3)", 3, True),
        ("sys.exit('why')", 1, True),
        ("1 / 0", 1, False),
        ("raise KeyboardInterrupt", -signal.SIGINT, False),
    ],
)
def test_a_process_that_returned_or_exited_ends_at_once_with_its_code(then: str, code: int, at_once: bool) -> None:
    done = subprocess.run([sys.executable, "-c", INSIDE.format(then)], capture_output=True, text=True, check=False)
    lines = ["no newline, so not flushed registered inside", "first registered, last done"]
    assert (done.returncode, done.stdout.splitlines()) == (code, lines[: 1 if at_once else 2])
    assert ("why" in done.stderr) == ("why" in then)


@pytest.mark.parametrize(("main", "printed"), [("lambda: None", ""), ("lambda: 1 / 0", "late\n")])
def test_the_command_ends_at_once_without_an_error_only(main: str, printed: str) -> None:
    lines = f"import atexit; atexit.register(print, 'late'); import hwsweep.__main__ as command; command.main = {main}"
    command = [sys.executable, "-c", f"{lines}; command.program()"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == printed


def test_a_fork_server_skips_exit_handlers_and_its_children_run_theirs() -> None:
    lines = "import atexit, os; atexit.register(print, 'late'); import hwsweep.sweep.execution.fork_server_preload; {}"
    ended, child = (
        subprocess.run([sys.executable, "-c", lines.format(then)], capture_output=True, text=True, check=True).stdout
        for then in ("", "os.fork() or print(flush=True) or atexit._run_exitfuncs(); os.wait()")
    )
    assert (ended, child.split()) == ("", ["late"])
