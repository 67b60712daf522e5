from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from stub_sweeps import command

from hwsweep.processes import ensure_output
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.live_display import LiveDisplay
from hwsweep.sweep.open_study import OpenStudy
from hwsweep.sweep.outcome import Outcome, from_failure
from hwsweep.sweep.ownership.locks import FolderLock
from hwsweep.sweep.ownership.ownership import SoleOwner
from hwsweep.sweep.proposals import Proposals
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.study.folder import StudyFolder
from hwsweep.sweep.study.trial_store import TrialResult, TrialStore
from hwsweep.sweep.study.view import Caller
from hwsweep.sweep.table import plain_console


def open_study(total: int, seeds: int | None = None) -> OpenStudy:
    """A study that has no trials yet and shares its storage with other processes."""
    space = Space([], ["seed=1"], [], [], {}, {})
    plan = SearchPlan(space, None, total, 0, None, None, ["minimize"], None, None, None)
    store = TrialStore("night", optuna.storages.InMemoryStorage(), ["minimize"])
    settings = Settings(**{**dict.fromkeys(Settings._fields), "join": True, "seeds": seeds})
    proposals = Proposals(plan, store, OmegaConf.create())
    folder = StudyFolder("night", Path("nowhere"), FolderLock(Path("nowhere")), is_resumed=False)
    return OpenStudy(settings, folder, proposals, SoleOwner(proposals, folder.path, None), Caller([], [], None))


def add(study: OpenStudy, *values: float | None) -> None:
    """Store ended trials with these values; None is a failed one."""
    for value in values:
        number = study.store.n_trials()
        study.store.add({}, {}, {})
        result = TrialResult("failed", [], {}) if value is None else TrialResult("complete", [value], {})
        study.store.finish(number, result)


def job(number: int) -> Job:
    return Job(number, str(number), f"/nowhere/{number}", ["seed=1", f"x={number}"], {"x": number})


def test_an_override_is_shown_as_it_was_written_and_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    escaped = [r"uri=$\{oc.env\:NAME\}", r"store=postgresql\://me\:secret@host/db", "x=[1,2]"]
    with LiveDisplay(open_study(total=1)) as live:
        live.show_start(job(0)._replace(overrides=escaped))
    shown = capsys.readouterr().out
    assert shown == "trial 0: uri=${oc.env:NAME} store=postgresql://me:***@host/db x=[1,2]\n"


def test_where_there_is_no_terminal_each_beginning_and_end_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    study = open_study(total=3)
    jobs = [job(n) for n in range(2)]
    with LiveDisplay(study) as live:
        live.show_start(jobs[0])
        live.show_start(jobs[1])
        live.show_report(jobs[1], 0.25, 3)
        live.show_end(jobs[1], Outcome("complete", [0.125], None, 2.0))
        live.show_end(jobs[0], from_failure("timeout", "not done after 3 s", 3.0))
        live.show_refusal(2, {"x": 2}, "no")
    assert capsys.readouterr().out.splitlines() == [
        "trial 0: x=0",
        "trial 1: x=1",
        "trial 1: 0.125 (2.0 s)",
        "trial 0: failed (timeout): not done after 3 s (3.0 s)",
        "trial 2: refused: x=2: no",
    ]


def test_the_status_counts_trials_of_earlier_sweeps_and_of_other_processes() -> None:
    study = open_study(total=9)
    add(study, 5.0, 3.0, None)
    with LiveDisplay(study) as live:
        assert live.status() == "3 of 9, 1 failed, best 3"
        live.show_start(job(3))
        add(study, 2.0, 4.0, None)  # by another process
        live.show_end(job(3), Outcome("complete", [7.0], None, 2.0))
        assert live.status().startswith("7 of 9, 2 failed, best 2, ")
        live.show_end(job(3), Outcome("complete", [1.0], None, 2.0))
        assert live.status().startswith("8 of 9, 2 failed, best 1, ")


def test_with_seeds_a_trial_counts_as_many_runs() -> None:
    study = open_study(total=4, seeds=3)
    add(study, 5.0)
    with LiveDisplay(study) as live:
        live.show_end(job(1), Outcome("complete", [6.0], None, 2.0))
        assert live.status().startswith("4 of 12, 0 failed, best 5, ")
        add(study, 8.0)
        live.show_end(job(1), Outcome("complete", [6.0], None, 2.0))
        assert live.status().startswith("7 of 12, 0 failed, best 5, ")


def test_brackets_of_a_user_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    console = plain_console()
    console.file = io.StringIO()
    monkeypatch.setattr("hwsweep.sweep.live_display.plain_console", lambda: console)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    hostile = ["[b]data/[/a].csv", "[enforce fail at inline.cc:67]", ":bug:", "[/b]"]
    with LiveDisplay(open_study(total=9)) as live:
        for number, text in enumerate(hostile):
            live.show_start(Job(number, str(number), "/nowhere", [f"x={text}"], {}))
        console.print(live.screen.get_renderable())
        live.show_end(job(0), from_failure("error", "no [/x] here", 1.0))
    for text in [*hostile, "no [/x] here"]:
        assert text in console.file.getvalue()


@pytest.mark.slow
def test_a_terminal_shows_what_runs_how_far_it_is_the_best_the_failures_and_the_time_left(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    sweep = command("how=prune,raise,well", "x=3", "seconds=0.6")
    running = subprocess.Popen(sweep, cwd=tmp_path, stdout=theirs, stderr=subprocess.DEVNULL, env=terminal())
    os.close(theirs)
    output = b""
    while block := read(ours):
        output += block
    assert running.wait() == 0
    text = output.decode()
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


def test_a_character_that_the_terminals_encoding_has_not_is_printed_as_its_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    ensure_output()
    print("é 日", flush=True)
    plain_console().print("日")
    sys.stdout.flush()
    assert written.getvalue().split() == [b"\xe9", rb"\u65e5", rb"\u65e5"]
