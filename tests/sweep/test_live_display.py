from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from stub_sweeps import command

from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.live_display import Live
from hwsweep.sweep.outcome import Outcome, failed
from hwsweep.sweep.search.sampling import Plan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.trial_store import Book


class Ledger(Book):
    """A book with so many ended trials."""

    def __init__(self, total: int, ended: list[float] = [], n_failed: int = 0) -> None:  # noqa: B006  # not changed
        space = Space([], ["seed=1"], [], [], {}, {})
        self.plan = Plan(space, None, total, 0, None, None, ["minimize"], None, None)
        self.ended, self.n_failed = ended, n_failed

    def done(self) -> int:
        return len(self.ended) + self.n_failed

    def best(self) -> float | None:
        return min(self.ended, default=None)


def job(number: int) -> Job:
    return Job(number, str(number), f"/nowhere/{number}", ["seed=1", f"x={number}"], {"x": number})


def test_where_there_is_no_terminal_each_beginning_and_end_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    book = Ledger(total=3)
    jobs = [job(n) for n in range(2)]
    with Live(book, 1, False) as live:
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


def test_what_earlier_sweeps_ended_counts_and_what_others_end_at_the_same_time() -> None:
    book = Ledger(total=9, ended=[5.0, 3.0], n_failed=1)
    with Live(book, 1, True) as live:
        assert live._line() == "3 of 9, 1 failed, best 3"
        live.started(job(3))
        book.ended, book.n_failed = [5.0, 3.0, 2.0, 4.0], 2  # another process
        live.ended(job(3), Outcome("complete", [7.0], None, 2.0))
        assert live._line().startswith("7 of 9, 2 failed, best 2, ")
        live.ended(job(3), Outcome("complete", [1.0], None, 2.0))
        assert live._line().startswith("8 of 9, 2 failed, best 1, ")


def test_with_seeds_a_trial_counts_as_many_runs() -> None:
    book = Ledger(total=4, ended=[5.0])
    with Live(book, 3, True) as live:
        live.ended(job(1), Outcome("complete", [6.0], None, 2.0))
        assert live._line().startswith("4 of 12, 0 failed, best 5, ")
        book.ended = [5.0, 8.0]
        live.ended(job(1), Outcome("complete", [6.0], None, 2.0))
        assert live._line().startswith("7 of 12, 0 failed, best 5, ")


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
