"""Who trains when, in the process that trains several trials."""

from __future__ import annotations

from multiprocessing import Pipe

import pytest

from hwsweep.training import trainer_process
from hwsweep.training.trainer import Failed, NextEpoch, receive, send
from hwsweep.training.trainer_process import Member, Trainer


def test_others_wait_for_a_silent_trial_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(trainer_process.time, "monotonic", lambda: now)
    monkeypatch.setattr(trainer_process, "_turn", lambda member: 0)
    trained: list[float] = []
    monkeypatch.setattr(Trainer, "_train_group", lambda self, first, waiting: trained.append(now))
    trainer = Trainer()
    members = [Member(Pipe()[0]) for _ in range(2)]
    trainer.members += members
    members[0].waits_since = now
    for now in (100.0, 109.0, 110.5, 110.6):  # noqa: B007  # the clock
        trainer.train()
    assert trained == [110.5, 110.6]


def test_what_one_trial_sends_ends_no_other() -> None:
    trainer = Trainer()
    ours, theirs = Pipe()
    trainer.members.append(Member(theirs))
    ours.send_bytes(b"no pickle")
    trainer.handle(trainer.members[0])
    assert trainer.members == []
    answer = receive(ours)
    assert isinstance(answer, Failed) and "in handle" in answer.trace


def test_a_trial_that_has_ended_is_forgotten() -> None:
    trainer = Trainer()
    ours, theirs = Pipe()
    trainer.members.append(Member(theirs))
    send(ours, NextEpoch())
    trainer.handle(trainer.members[0])
    assert trainer.members[0].waits_since is not None
    ours.close()
    trainer.handle(trainer.members[0])
    assert trainer.members == []
