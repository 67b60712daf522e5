"""Messages through a file: each once, in order, complete."""

from __future__ import annotations

from pathlib import Path

from hwsweep.sweep.execution.executor import AskedToPrune, Message, Reported
from hwsweep.sweep.execution.mailbox import Mailbox


def read(box: Mailbox) -> list[tuple[type[Message], Message]]:
    """With their types: messages without fields are equal."""
    return [(type(message), message) for message in box.read()]


def test_each_message_is_read_once_and_in_order(tmp_path: Path) -> None:
    here, there = Mailbox(tmp_path), Mailbox(tmp_path)
    assert here.read() == []
    there.post(Reported(1.5, 0))
    there.post(AskedToPrune())
    assert read(here) == [(Reported, Reported(1.5, 0)), (AskedToPrune, AskedToPrune())]
    there.post(Reported(float("inf"), 1))
    assert read(here) == [(Reported, Reported(float("inf"), 1))]
    assert here.read() == []


def test_a_message_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.post(AskedToPrune())
    box.post(Reported(2.05, 1))
    complete = box.messages.read_bytes()
    box.messages.write_bytes(complete[:-6])
    assert read(box) == [(AskedToPrune, AskedToPrune())]
    box.messages.write_bytes(complete)
    assert read(box) == [(Reported, Reported(2.05, 1))]


def test_a_run_that_begins_again_finds_nothing_of_before(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.post(Reported(1.0, 0))
    box.read()
    box.pruned.touch()
    box.clear()
    assert not box.pruned.exists()
    box.post(Reported(3.0, 0))
    assert box.read() == [Reported(3.0, 0)]
