"""A trial whose model the trainer's process trains: what it has sent, and its training."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from hwsweep.data import Examples
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import Diverged, Training
from hwsweep.training.loop import begin, finish_epoch
from hwsweep.training.trainer import Work


@dataclass(eq=False)
class Member:
    """A trial that has connected."""

    connection: Connection
    work: Work | None = None
    """With the checkpoint to go on from: that of the last epoch, once there is one."""
    untrained: bytes = b""
    """The work as it came, pickled: the training can begin again."""
    training: Training | None = None
    waits_since: float | None = None
    """When it asked for the next epoch; None while it does not wait."""
    is_late: bool = False
    """Others have waited for it in vain, and do so no more until it asks again."""

    @property
    def device(self) -> torch.device:
        """Where it trains: the first GPU that this process sees, unless conf names the CPU."""
        assert self.work is not None
        return torch.device("cuda" if torch.cuda.is_available() and self.work.device != "cpu" else "cpu")

    @property
    def data_key(self) -> tuple[str, str]:
        """Equal for trials that read the same data on the same device."""
        assert self.work is not None
        return self.work.digest, str(self.device)

    @property
    def turn(self) -> tuple[int, float]:
        """Those with the fewest epochs come first: they catch up with others, and then train as one with them."""
        assert self.training is not None
        return len(self.training.state.history), self.waits_since or 0.0

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for trials that may train as one now. Texts must be in the same batches: others have another length."""
        work, training = self.work, self.training
        assert work is not None
        assert training is not None
        if work.group is None:
            return (id(self),)
        how = work.group, self.device, work.deterministic
        if "length" not in training.train:
            return (*how, *(tuple(values.shape) for values in training.train.values()))
        return (*how, work.digest, bytes(training.state.order.get_state().numpy()))

    def take(self, work: Work) -> None:
        self.work, self.untrained = work, pickle.dumps(work)

    def begin(self, train: Examples, valid: Examples) -> Training:
        """The training as it was after its last epoch, whatever a step since then has changed."""
        assert self.work is not None
        work: Work = pickle.loads(self.untrained)  # noqa: S301  # our own bytes
        self.work = work = work._replace(resume=self.work.resume)
        noise = torch.Generator(self.device)
        noise.set_state(work.noise) if self.device.type == "cpu" else noise.manual_seed(work.plan.seed)
        work.model.to(self.device)
        parts = work.model, train, valid, work.optimizer, work.schedule, work.plan, work.folder, work.resume
        self.training = begin(*parts, noise)
        return self.training

    def finish_epoch(self, row: EpochMetrics | Diverged) -> EpochMetrics | Exception:
        """The epoch, after its checkpoints are written; or the error that ends the training."""
        assert self.training is not None
        assert self.work is not None
        try:
            finished = finish_epoch(self.training, row, self.work.folder)
        except Exception as error:
            return error
        self.work = self.work._replace(resume=self.work.folder / "last.pt")
        return finished
