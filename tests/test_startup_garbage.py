"""Garbage collection: rare while a program starts, with default thresholds while it computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SELDOM_THEN_USUAL = """
import gc
from hwsweep.startup import look_for_garbage_as_usual, look_for_garbage_seldom
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


def test_collection_is_rare_until_the_default_thresholds_are_restored() -> None:
    done = subprocess.run([sys.executable, "-c", SELDOM_THEN_USUAL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 5


STARTS_AND_TRAINS = """
import gc, sys
import hwsweep.__main__ as program
import hwsweep.run
print(gc.get_threshold()[0], gc.isenabled())
hwsweep.run.run = lambda cfg: print(gc.get_threshold()[0] < 10_000, gc.isenabled()) or 0.0
sys.argv = ["hwsweep", "hydra.run.dir=."]
program.main()
"""


def test_the_program_starts_with_rare_collection_and_trains_with_the_default(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_AND_TRAINS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100000", "True", "True", "True"]
