"""What the trainer's process does: it takes the trials as they come, and trains an epoch of those that wait for one."""

from __future__ import annotations

import contextlib
import gc
import logging
import pickle
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait

import torch

from hwsweep.data import Examples
from hwsweep.training.captured import captured
from hwsweep.training.checkpoint import EpochMetrics, global_generator
from hwsweep.training.epoch import Diverged, Learner, SingleModel, Training, train_epoch
from hwsweep.training.evaluation import to_device
from hwsweep.training.member import Member
from hwsweep.training.precision import choose_algorithms, flush_denormals
from hwsweep.training.stack import Stack
from hwsweep.training.trainer import Begun, Data, Failed, NextEpoch, SendData, Work, receive, send

log = logging.getLogger("hwsweep")

PATIENCE = 1.0
"""Seconds that a trial waits for others that have not asked for their next epoch yet."""
PATIENCE_AT_START = 10.0
"""The same while another trial composes its config or reads its data: those that begin together train together."""
SHARE_OF_MEMORY = 0.8
"""Of the GPU's memory, for the models of a stack."""
FIRST_STACK = 8
"""The most models in the first epoch on a GPU, which tells how much memory one needs."""
N_WRITERS = 8
"""Checkpoints that are written at once."""


class Trainer:
    """Trains what its trials send, one epoch of one group at a time."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.data: dict[tuple[str, str], tuple[Examples, Examples]] = {}
        """By digest and device."""
        self.learner: tuple[list[Member], Learner] | None = None
        """Of the last epoch; stacking costs a copy of all parameters."""
        self.bytes_per_model = 0.0
        self.limits: dict[str | None, int] = {}
        """By `Work.group`: the most models at once, where more have failed."""

    def handle(self, member: Member) -> None:
        """Take the next message of a trial, or forget it if it has ended."""
        try:
            self._take(member, receive(member.connection))
        except (EOFError, ConnectionError):
            self._forget(member)
        except Exception as error:  # what one trial sends, such as a class that is not found here, ends no other
            self._fail(member, error)

    def _take(self, member: Member, message: object) -> None:
        """Begin the training when all has come, or note that the trial waits for its next epoch."""
        if isinstance(message, NextEpoch):
            member.waits_since, member.is_late = time.monotonic(), False
            return
        if isinstance(message, Work):
            member.take(message)
        key = member.data_key
        if isinstance(message, Data) and key not in self.data:  # trials that begin together are all asked for the same
            used = {other.data_key for other in self.members if other.work is not None}
            self.data = {known: data for known, data in self.data.items() if known in used}
            self.data[key] = to_device(message.train, member.device), to_device(message.valid, member.device)
        if key not in self.data:
            send(member.connection, SendData())
            return
        training = member.begin(*self.data[key])
        send(member.connection, Begun(list(training.state.history)))

    def train(self) -> None:
        """One epoch of the trials that wait and may train as one; of none while others may join in a moment."""
        waiting = [member for member in self.members if member.waits_since is not None]
        if not waiting:
            return
        first = min(waiting, key=lambda member: member.turn)
        coming = [member for member in self.members if member.waits_since is None and not member.is_late]
        patience = PATIENCE_AT_START if any(member.training is None for member in coming) else PATIENCE
        if coming and time.monotonic() - min(member.waits_since or 0.0 for member in waiting) < patience:
            return
        for member in coming:
            member.is_late = True
        self._train_group(first, waiting)

    def _train_group(self, first: Member, waiting: list[Member]) -> None:
        """One epoch of those that may train as one with the first."""
        those = sorted((member for member in waiting if member.key == first.key), key=lambda member: member.turn)
        group = sorted(those[: self._most(first)], key=self.members.index)  # the learner of the same group is kept
        rows = self._epoch(group)
        if rows is None:
            self._begin_again(group)
            return
        with ThreadPoolExecutor(N_WRITERS) as threads:
            for member, row in zip(group, threads.map(Member.finish_epoch, group, rows), strict=True):
                member.waits_since = None
                if isinstance(row, Exception):
                    self._fail(member, row)
                else:
                    with contextlib.suppress(OSError):
                        send(member.connection, row)

    def _epoch(self, group: list[Member]) -> list[EpochMetrics | Diverged] | None:
        """`train_epoch` of the group; None if it fails, which ends the training of a model that was alone."""
        trainings = [member.training for member in group if member.training is not None]
        first = group[0]
        choose_algorithms(first.device, deterministic=first.work is not None and first.work.deterministic)
        try:
            with _global_noise(trainings) if len(group) == 1 else contextlib.nullcontext():
                rows = train_epoch(trainings, self._learner(group, trainings))
        except Exception as error:
            self.learner = None
            if len(group) == 1:
                self._fail(first, error)
            else:
                self._halve(group, error)
            return None
        self._measure(trainings)
        return rows

    def _halve(self, group: list[Member], error: Exception) -> None:
        """Let at most half as many models train at once from now on: what fails alone fails, and no other."""
        assert group[0].work is not None
        half = (len(group) + 1) // 2
        self.limits[group[0].work.group] = half
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        log.warning("an epoch of %d models at once failed (%s): from now on at most %d", len(group), why, half)

    def _begin_again(self, group: list[Member]) -> None:
        """Put the trainings that have not ended back to where their epoch began."""
        for member in group:
            member.training = None
        gc.collect()  # what is left of the failed step may lie in cycles, and its memory is needed now
        for member in group:
            if member in self.members:
                try:
                    member.begin(*self.data[member.data_key])
                except Exception as error:
                    self._fail(member, error)

    def _learner(self, group: list[Member], trainings: Sequence[Training]) -> Learner:
        if self.learner is None or self.learner[0] != group:
            learner = SingleModel(trainings[0]) if len(group) == 1 else Stack(trainings)
            self.learner = group, captured(learner, trainings)
        return self.learner[1]

    def _most(self, member: Member) -> int:
        """The most models in a stack with this one."""
        assert member.work is not None
        limit = self.limits.get(member.work.group, len(self.members))
        if member.device.type != "cuda":
            return limit
        if self.bytes_per_model == 0:
            return min(limit, FIRST_STACK)
        of_memory = SHARE_OF_MEMORY * torch.cuda.mem_get_info(member.device)[1] / self.bytes_per_model
        return max(1, min(limit, int(of_memory)))

    def _measure(self, trainings: Sequence[Training]) -> None:
        """Note how much memory a model of the first epoch needed."""
        device = next(trainings[0].state.model.parameters()).device
        if device.type == "cuda" and self.bytes_per_model == 0:
            self.bytes_per_model = torch.cuda.max_memory_allocated(device) / len(trainings)

    def _fail(self, member: Member, error: Exception) -> None:
        with contextlib.suppress(OSError):
            _send_error(member.connection, error)
        self._forget(member)

    def _forget(self, member: Member) -> None:
        member.connection.close()
        if member in self.members:
            self.members.remove(member)


def serve(path: str) -> None:
    """Train what the trials send that connect to this socket, until the process is ended."""
    flush_denormals()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1000)
        trainer = Trainer()
        while True:
            connections = {member.connection: member for member in trainer.members}
            is_waiting = any(member.waits_since is not None for member in trainer.members)
            for ready in wait([listener, *connections], timeout=0.05 if is_waiting else None):
                if isinstance(ready, Connection):
                    trainer.handle(connections[ready])
                else:
                    trainer.members.append(Member(Connection(listener.accept()[0].detach())))
            trainer.train()


@contextlib.contextmanager
def _global_noise(trainings: Sequence[Training]) -> Iterator[None]:
    """Inside, the training's own noise is what the global generator draws, as in a run of its own."""
    (training,) = trainings
    own = training.state.noise_generator()
    drawn = global_generator(next(training.state.model.parameters()).device)
    drawn.set_state(own.get_state())
    yield
    own = training.state.noise = torch.Generator(own.device)
    own.set_state(drawn.get_state())


def _send_error(connection: Connection, error: Exception) -> None:
    """Send why a training has ended; of an error that cannot be sent its text."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # its own constructor may need more than its text
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    send(connection, Failed(error, trace))
