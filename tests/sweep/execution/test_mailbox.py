"""Messages through a file: each once, in order, whole."""

from __future__ import annotations

from pathlib import Path

from hwsweep.sweep.execution.mailbox import Mailbox


def test_each_message_is_read_once_and_in_order(tmp_path: Path) -> None:
    here, there = Mailbox(tmp_path), Mailbox(tmp_path)
    assert here.read() == []
    there.post(("report", 1.5, 0))
    there.post(("should_prune",))
    assert here.read() == [("report", 1.5, 0), ("should_prune",)]
    there.post(("report", float("inf"), 1))
    assert here.read() == [("report", float("inf"), 1)]
    assert here.read() == []


def test_a_message_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.messages.write_text('["should_prune"]\n["report", 2.0')
    assert box.read() == [("should_prune",)]
    with box.messages.open("a") as file:
        file.write("5, 1]\n")
    assert box.read() == [("report", 2.05, 1)]


def test_a_run_that_begins_again_finds_nothing_of_before(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.post(("report", 1.0, 0))
    box.read()
    box.pruned.touch()
    box.clear()
    assert not box.pruned.exists()
    box.post(("report", 3.0, 0))
    assert box.read() == [("report", 3.0, 0)]
