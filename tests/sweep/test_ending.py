"""The end of a process that does not take apart what it has loaded."""

from __future__ import annotations

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
    ("then", "code", "told"),
    [
        ("pass", 0, ["no newline, so not flushed registered inside"]),
        ("sys.exit(3)", 3, ["no newline, so not flushed registered inside", "first registered, last done"]),
        ("1 / 0", 1, ["no newline, so not flushed registered inside", "first registered, last done"]),
    ],
)
def test_a_process_ends_at_once_where_all_went_well_and_as_ever_where_not(
    then: str, code: int, told: list[str]
) -> None:
    done = subprocess.run([sys.executable, "-c", INSIDE.format(then)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (code, told)


def test_the_command_ends_so() -> None:
    replaced = "import sys, atexit; atexit.register(print, 'late'); import hwsweep.__main__ as command;"
    for main, told in (("lambda: None", ""), ("lambda: sys.exit(0)", "late\n")):
        lines = [sys.executable, "-c", f"{replaced} command.main = {main}; command.program()"]
        assert subprocess.run(lines, capture_output=True, text=True, check=True).stdout == told


def test_a_fork_server_ends_without_what_was_to_be_done_last_and_its_children_by_themselves() -> None:
    lines = "import atexit, os; atexit.register(print, 'late'); import hwsweep.sweep.warm; {}"
    ended, child = (
        subprocess.run([sys.executable, "-c", lines.format(then)], capture_output=True, text=True, check=True).stdout
        for then in ("", "os.fork() or print(flush=True) or atexit._run_exitfuncs(); os.wait()")
    )
    assert (ended, child.split()) == ("", ["late"])
