"""When Python looks for garbage: seldom while a program starts, as usual where it computes."""

from __future__ import annotations

import subprocess
import sys

SELDOM_THEN_USUAL = """
import gc
from hwsweep.sweep.garbage import look_for_garbage_as_usual, look_for_garbage_seldom
before = gc.get_threshold()
look_for_garbage_seldom()
print(gc.get_threshold()[0] > 100 * before[0])
gc.disable()
look_for_garbage_as_usual()
frozen = gc.get_freeze_count()
print(gc.get_threshold() == before, gc.isenabled(), frozen > 0)
more = [[] for _ in range(1000)]
look_for_garbage_as_usual()
print(gc.get_freeze_count() == frozen)
"""


def test_python_looks_seldom_until_it_is_told_to_look_as_usual() -> None:
    done = subprocess.run([sys.executable, "-c", SELDOM_THEN_USUAL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 5


def test_the_program_starts_so_and_trains_as_usual() -> None:
    lines = "import gc, hwsweep.__main__; print(gc.get_threshold()[0], gc.isenabled())"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100000", "True"]


def test_a_fork_server_ends_at_once_and_its_children_by_themselves() -> None:
    lines = "import os; from hwsweep.sweep.warm import end_at_once; end_at_once(os.getpid() + {}); print('after')"
    ended, gone_on = (
        subprocess.run([sys.executable, "-c", lines.format(other)], capture_output=True, text=True, check=True).stdout
        for other in (0, 1)
    )
    assert (ended, gone_on) == ("", "after\n")
