"""A process that trains the models of several trials, those that may as one stack; and how a trial's process uses it.

The trial's own process reads data, logs, analyses and draws, as a single run does. It sends its model here and takes
its epochs one by one; the checkpoints lie in its folder. So one process holds the GPU, and the cores do the rest.
"""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hwsweep.data import Examples, Splits
from hwsweep.models import Model
from hwsweep.processes import TRAINER
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import Schedule


class Work(NamedTuple):
    """What a trial sends first."""

    group: str | None
    """Equal for trials that may train as one; None for one that trains alone."""
    device: str
    """`device` of conf."""
    model: Model
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    plan: TrainingPlan
    folder: Path
    """Absolute, as `resume`."""
    resume: Path | None
    noise: Tensor
    """The state of the global generator of the CPU."""
    digest: str
    """Of the data, which are sent only if the trainer asks for them."""
    deterministic: bool
    """Whether a GPU may take only algorithms that repeat every bit: `deterministic` of conf."""


class SendData(NamedTuple):
    """The trainer asks for the data."""


class Data(NamedTuple):
    """The trial's answer."""

    train: Examples
    valid: Examples


class Begun(NamedTuple):
    """The trainer has what it needs."""

    history: list[EpochMetrics]


class NextEpoch(NamedTuple):
    """The trial asks for an epoch; the answer is its metrics."""


class Failed(NamedTuple):
    """The training has ended with this error."""

    error: Exception
    trace: str
    """Where it was raised, in the trainer."""


class TrainerLost(RuntimeError):
    """The process that trains this trial has ended."""

    failure_reason = "killed"


class NotSent(TypeError):
    """An object of this trial cannot be sent to another process."""

    failure_reason = "invalid-config"


CONNECT_SECONDS = 60.0
"""A trainer that has just been started listens after so long at most."""

LOST_SECONDS = 20.0
"""After so long a trial gives up whose trainer has ended: before, the sweep ends it, to start it again."""


def is_elsewhere() -> bool:
    """Whether another process trains the model of this one."""
    return TRAINER in os.environ


def join() -> Connection | None:
    """A connection to this process's trainer, which waits for the trial from now on; None if the process trains itself.

    Raises:
        TrainerLost: none listens.
    """
    return connect(os.environ[TRAINER]) if is_elsewhere() else None


def fit_elsewhere(connection: Connection, work: Work, splits: Splits) -> Iterator[EpochMetrics]:
    """`fit`, by the trainer.

    Raises:
        Diverged: as `fit`.
        IncompatibleCheckpoint: as `fit`.
        NotSent: the trial's objects cannot be sent.
        TrainerLost: the trainer has ended.
    """
    with connection:
        history = _ask(connection, work, splits).history
        yield from history
        for _ in range(len(history), work.plan.epochs):
            yield _ask(connection, NextEpoch(), splits)


def connect(path: str) -> Connection:
    """A connection to the trainer of this socket.

    Raises:
        TrainerLost: none listens.
    """
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return Connection(client.detach())
        except OSError as error:
            client.close()
            if time.monotonic() > deadline:
                raise TrainerLost(f"no process that trains this trial listens: {error}") from error
            time.sleep(0.05)


def send(connection: Connection, message: object) -> None:
    """Send it by value: torch's own pickling for processes would share memory.

    Raises:
        NotSent: it has a part that cannot be pickled.
    """
    try:
        content = pickle.dumps(message)
    except Exception as error:  # pickle raises many, and so do objects
        raise NotSent(
            f"trials that train as one are sent to the process that trains them, but pickle cannot send this one: "
            f"{error}; let classes and functions be those of a module, or set hydra.sweeper.stack=1"
        ) from error
    connection.send_bytes(content)


def receive(connection: Connection) -> Any:
    """The next message of the other side, which is a process of the same sweep of the same user."""
    return pickle.loads(connection.recv_bytes())  # noqa: S301


def _ask(connection: Connection, message: object, splits: Splits) -> Any:
    """The trainer's answer, after the data if it asks for them."""
    try:
        send(connection, message)
        answer = receive(connection)
        if isinstance(answer, SendData):
            send(connection, Data(splits.train, splits.valid))
            answer = receive(connection)
    except (EOFError, OSError) as error:
        time.sleep(LOST_SECONDS)
        raise TrainerLost("the process that trains this trial has ended; its last epoch is in its folder") from error
    if isinstance(answer, Failed):
        raise answer.error from RuntimeError(f"in the process that trains\n{answer.trace}")
    return answer
