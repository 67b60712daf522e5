from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stub_sweeps import command

from hwsweep.sweep.live import Live
from hwsweep.sweep.outcome import Outcome, failed
from hwsweep.sweep.worker import Job


def test_where_there_is_no_terminal_each_beginning_and_end_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    plan = SimpleNamespace(total=3, directions=["minimize"], space=SimpleNamespace(fixed=["seed=1"]))
    book: Any = SimpleNamespace(plan=plan, done=lambda: 0)
    jobs = [Job(n, str(n), f"/nowhere/{n}", ["seed=1", f"x={n}"], {"x": n}) for n in range(2)]
    with Live(book, 1) as live:
        live.started(jobs[0])
        live.started(jobs[1])
        live.reported(jobs[1], 0.25, 3)
        live.ended(jobs[1], Outcome("complete", [0.125], None, 2.0))
        live.ended(jobs[0], failed("timeout", "not done after 3 s", 3.0))
        live.refused(2, {"x": 2}, "no")
    assert capsys.readouterr().out.splitlines() == [
        "trial 0: x=0",
        "trial 1: x=1",
        "trial 1: 0.125 (2.0 s)",
        "trial 0: failed (timeout): not done after 3 s (3.0 s)",
        "trial 2: refused: x=2: no",
    ]


@pytest.mark.slow
def test_a_terminal_shows_what_runs_how_far_it_is_the_best_the_failures_and_the_time_left(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    sweep = command("how=prune,raise,well", "x=3", "seconds=0.6")
    running = subprocess.Popen(sweep, cwd=tmp_path, stdout=theirs, stderr=subprocess.DEVNULL, env=terminal())
    os.close(theirs)
    shown = b""
    while block := read(ours):
        shown += block
    assert running.wait() == 0
    text = shown.decode()
    assert "1 of 3, 0 failed, best 3," in text
    assert "2 of 3, 1 failed, best 3," in text
    assert " s left" in text
    assert "how=well" in text


def terminal() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "120", "LINES": "40", "TERM": "xterm"}


def read(descriptor: int) -> bytes:
    """The next bytes; none when the other side has closed, which a pseudo-terminal tells by an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
