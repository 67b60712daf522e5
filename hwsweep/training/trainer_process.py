"""What the trainer's process does: it takes the trials as they come, and trains an epoch of those that wait for one."""

from __future__ import annotations

import contextlib
import pickle
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import torch

from hwsweep.data import Examples
from hwsweep.training.captured import captured
from hwsweep.training.checkpoint import EpochMetrics, global_generator
from hwsweep.training.epoch import Diverged, Learner, SingleModel, Training, train_epoch
from hwsweep.training.evaluation import to_device
from hwsweep.training.loop import begin, finish_epoch
from hwsweep.training.precision import choose_algorithms, flush_denormals
from hwsweep.training.stack import Stack
from hwsweep.training.trainer import Begun, Data, Failed, NextEpoch, SendData, Work, receive, send

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


@dataclass(eq=False)
class Member:
    """A trial that has connected."""

    connection: Connection
    work: Work | None = None
    training: Training | None = None
    waits_since: float | None = None
    """When it asked for the next epoch; None while it does not wait."""
    is_late: bool = False
    """Others have waited for it in vain, and do so no more until it asks again."""


class Trainer:
    """Trains what its trials send, one epoch of one group at a time."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.data: dict[tuple[str, str], tuple[Examples, Examples]] = {}
        """By digest and device."""
        self.learner: tuple[list[Member], Learner] | None = None
        """Of the last epoch; stacking costs a copy of all parameters."""
        self.bytes_per_model = 0.0

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
            member.work = message
        assert member.work is not None
        device = _device(member.work)
        key = member.work.digest, str(device)
        if isinstance(message, Data) and key not in self.data:  # trials that begin together are all asked for the same
            used = {(other.work.digest, str(_device(other.work))) for other in self.members if other.work is not None}
            self.data = {known: data for known, data in self.data.items() if known in used}
            self.data[key] = to_device(message.train, device), to_device(message.valid, device)
        if key not in self.data:
            send(member.connection, SendData())
            return
        self._begin(member, *self.data[key], device)

    def _begin(self, member: Member, train: Examples, valid: Examples, device: torch.device) -> None:
        work = member.work
        assert work is not None
        noise = torch.Generator(device)
        noise.set_state(work.noise) if device.type == "cpu" else noise.manual_seed(work.plan.seed)
        work.model.to(device)
        parts = work.model, train, valid, work.optimizer, work.schedule, work.plan, work.folder, work.resume
        member.training = begin(*parts, noise)
        send(member.connection, Begun(list(member.training.state.history)))

    def train(self) -> None:
        """One epoch of the trials that wait and may train as one; of none while others may join in a moment."""
        waiting = [member for member in self.members if member.waits_since is not None]
        if not waiting:
            return
        first = min(waiting, key=_turn)
        coming = [member for member in self.members if member.waits_since is None and not member.is_late]
        patience = PATIENCE_AT_START if any(member.training is None for member in coming) else PATIENCE
        if coming and time.monotonic() - min(member.waits_since or 0.0 for member in waiting) < patience:
            return
        for member in coming:
            member.is_late = True
        self._train_group(first, waiting)

    def _train_group(self, first: Member, waiting: list[Member]) -> None:
        """One epoch of those that may train as one with the first."""
        group = [member for member in waiting if _key(member) == _key(first)][: self._most(first)]
        trainings = [member.training for member in group if member.training is not None]
        choose_algorithms(_device(first.work), deterministic=first.work is not None and first.work.deterministic)
        try:
            with _global_noise(trainings) if len(group) == 1 else contextlib.nullcontext():
                rows = train_epoch(trainings, self._learner(group, trainings))
        except Exception as error:
            self.learner = None
            for member in group:
                self._fail(member, error)
            return
        self._measure(trainings)
        with ThreadPoolExecutor(N_WRITERS) as threads:
            for member, row in zip(group, threads.map(_finished, group, rows), strict=True):
                member.waits_since = None
                if isinstance(row, Exception):
                    self._fail(member, row)
                else:
                    with contextlib.suppress(OSError):
                        send(member.connection, row)

    def _learner(self, group: list[Member], trainings: Sequence[Training]) -> Learner:
        if self.learner is None or self.learner[0] != group:
            learner = SingleModel(trainings[0]) if len(group) == 1 else Stack(trainings)
            self.learner = group, captured(learner, trainings)
        return self.learner[1]

    def _most(self, member: Member) -> int:
        """The most models in a stack with this one."""
        device = _device(member.work)
        if device.type != "cuda":
            return len(self.members)
        if self.bytes_per_model == 0:
            return FIRST_STACK
        return max(1, int(SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[1] / self.bytes_per_model))

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


def _finished(member: Member, row: EpochMetrics | Diverged) -> EpochMetrics | Exception:
    """The epoch, after its checkpoints are written; or the error that ends the training."""
    assert member.training is not None
    assert member.work is not None
    try:
        return finish_epoch(member.training, row, member.work.folder)
    except Exception as error:
        return error


def _device(work: Work | None) -> torch.device:
    """Where a trial trains: the first GPU that this process sees, unless conf names the CPU."""
    assert work is not None
    return torch.device("cuda" if torch.cuda.is_available() and work.device != "cpu" else "cpu")


def _turn(member: Member) -> tuple[int, float]:
    """Those with the fewest epochs come first: they catch up with others, and then train as one with them."""
    assert member.training is not None
    return len(member.training.state.history), member.waits_since or 0.0


def _send_error(connection: Connection, error: Exception) -> None:
    """Send why a training has ended; of an error that cannot be sent its text."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # its own constructor may need more than its text
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    send(connection, Failed(error, trace))


def _key(member: Member) -> tuple[object, ...]:
    """Equal for trials that may train as one now. Texts must be in the same batches: others have another length."""
    work, training = member.work, member.training
    assert work is not None
    assert training is not None
    if work.group is None:
        return (id(member),)
    how = work.group, _device(work), work.deterministic
    if "length" not in training.train:
        return (*how, *(tuple(values.shape) for values in training.train.values()))
    return (*how, work.digest, bytes(training.state.order.get_state().numpy()))
