"""Who trains when, in the process that trains several trials."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pytest
import torch
from small_vae import random_images, small_vae

from hwsweep.data import Splits
from hwsweep.training import trainer_process
from hwsweep.training.batches import Rows
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import SingleModel
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import ConstantLearningRate
from hwsweep.training.stack import Stack
from hwsweep.training.trainer import Failed, NextEpoch, Work, fit_elsewhere, receive, send
from hwsweep.training.trainer_process import Member, Trainer

SPLITS = Splits(*[random_images()] * 3)
N_STEPS = 3
"""Of an epoch."""
LAMBDAS = (0.0, 0.5, 1.0, 10.0, 100.0)


def work(kl_weight: float, folder: Path) -> Work:
    """A training of three epochs, which draws noise from a state of its own."""
    model = small_vae(kl_weight=kl_weight)
    plan = TrainingPlan(epochs=3, batch_size=5, clip_norm=None, precision="float32", seed=0, select="valid/loss")
    parts = model, torch.optim.Adam(model.parameters(), lr=0.01), ConstantLearningRate(), plan
    noise = torch.Generator().manual_seed(int(kl_weight)).get_state()
    return Work("one", "cpu", *parts, folder, None, noise, "digest", deterministic=False)


def losses(history: list[EpochMetrics]) -> list[float]:
    return [row["valid/loss"] for row in history]


def losses_alone(kl_weight: float, folder: Path) -> list[float]:
    given = work(kl_weight, folder)
    torch.set_rng_state(given.noise)
    return losses(list(fit(given.model, SPLITS, given.optimizer, given.schedule, given.plan, folder)))


def losses_together(folder: Path) -> list[list[float] | BaseException]:
    """Of trainings that differ in lambda, or the error that ended one."""
    trainer = Trainer()

    def elsewhere(connection: Connection, given: Work) -> list[float] | BaseException:
        try:
            return losses(list(fit_elsewhere(connection, given, SPLITS)))
        except RuntimeError as error:
            return error

    pipes = [Pipe() for _ in LAMBDAS]
    trainer.members += [Member(theirs) for _, theirs in pipes]
    works = [work(kl_weight, folder / str(kl_weight)) for kl_weight in LAMBDAS]
    with ThreadPoolExecutor(len(LAMBDAS)) as trials:
        ended = [trials.submit(elsewhere, ours, given) for (ours, _), given in zip(pipes, works, strict=True)]
        while trainer.members:
            by_connection = {member.connection: member for member in trainer.members}
            for ready in wait(list(by_connection), timeout=0.01):
                assert isinstance(ready, Connection)
                trainer.handle(by_connection[ready])
            trainer.train()
        return [trial.result() for trial in ended]


class Memory:
    """Steps need memory: in the middle of an epoch they find none with too many models, or with a certain one."""

    def __init__(self, patch: pytest.MonkeyPatch, most: list[int], hungry: float | None = None) -> None:
        self.most = most
        """By the number of epochs of the models."""
        self.hungry = hungry
        self.tried: list[int] = []
        """How many models each step had."""
        for kind in (Stack, SingleModel):
            patch.setattr(kind, "step", self.limited(kind.step))  # type: ignore[attr-defined]

    def limited(self, step: object) -> object:
        def of_limited_memory(learner: Stack | SingleModel, rows: list[Rows]) -> dict[str, torch.Tensor]:
            trainings = learner.trainings if isinstance(learner, Stack) else [learner.training]
            self.tried.append(len(trainings))
            sums = step(learner, rows)  # type: ignore[operator]
            most = self.most[len(trainings[0].state.history)]
            weights = [training.state.model.kl_weight for training in trainings]
            if len(self.tried) % N_STEPS == 2 and (len(trainings) > most or self.hungry in weights):
                self.tried.append(0)  # in place of the last step of the epoch
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return sums

        return of_limited_memory


@pytest.mark.parametrize("most", [pytest.param([2, 2, 2], marks=pytest.mark.slow), [4, 4, 1]])
def test_trials_that_find_no_memory_together_train_in_smaller_stacks(
    most: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [losses_alone(kl_weight, tmp_path / "alone") for kl_weight in LAMBDAS]
    memory = Memory(monkeypatch, most)
    for found, alone in zip(losses_together(tmp_path), expected, strict=True):
        assert found == pytest.approx(alone, rel=1e-5)
    sizes = memory.tried[::N_STEPS]
    assert [sizes.count(size) for size in (5, 4)] == [1, 0]  # what has failed is not tried again


@pytest.mark.slow
def test_a_trial_that_finds_no_memory_alone_fails_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [losses_alone(kl_weight, tmp_path / "alone") for kl_weight in LAMBDAS]
    Memory(monkeypatch, [9, 9, 9], hungry=LAMBDAS[3])
    found = losses_together(tmp_path)
    assert isinstance(found[3], torch.OutOfMemoryError)
    for own, alone in zip(found[:3] + found[4:], expected[:3] + expected[4:], strict=True):
        assert own == pytest.approx(alone, rel=1e-5)


def test_others_wait_for_a_silent_trial_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(trainer_process.time, "monotonic", lambda: now)
    monkeypatch.setattr(Member, "turn", (0, 0.0))
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
