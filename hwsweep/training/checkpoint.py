"""Checkpoints on disk: tensors, numbers and strings only, so that they load with `weights_only=True`."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hwsweep import run_folder
from hwsweep.files import whole
from hwsweep.models import Model, Schedule

log = logging.getLogger("hwsweep")

EpochMetrics = dict[str, float]
"""By metric key: `epoch` (from 1), `train/loss` and `valid/loss` [nats per example], `time/train_seconds`..."""


OF_THE_DEVICE = ("lr", "fused", "capturable", "foreach")
"""Settings of an optimizer that may differ with the device; the training sets the learning rate at each step."""


class IncompatibleCheckpoint(ValueError):
    """The checkpoint to go on from is none, or belongs to another model or optimizer."""

    failure_reason = "invalid-config"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` under its final name only when it is complete: a killed process leaves the old one."""
    with whole(path) as part, part.open("wb") as file:
        torch.save(state, file)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state that `save` wrote.

    Raises:
        FileNotFoundError: there is none.
        pickle.UnpicklingError: the file holds something else than tensors and plain values.
    """
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def find(resume: str) -> Path:
    """The last checkpoint of the run that conf's `resume` names by its folder or by this file; it can be read.

    Raises:
        IncompatibleCheckpoint: there is none.
    """
    found = _file("resume", Path(resume), run_folder.LAST_CHECKPOINT)
    for path, key in ((found, "optimizer"), (found.with_name("best.pt"), "epoch")):
        try:
            content = load(path)
        except Exception as error:  # torch raises many, by what the file holds
            content, why = {}, f" ({type(error).__name__})"
        else:
            why = ""
        if key not in content:
            raise IncompatibleCheckpoint(
                f"`resume` needs the checkpoints last.pt and best.pt of a run, but {path} is none{why}"
            )
    return found


def find_weights(init: str) -> Path:
    """The best checkpoint of the run that conf's `init` names by its folder, or the file that it names.

    Raises:
        IncompatibleCheckpoint: there is none.
    """
    return _file("init", Path(init), run_folder.BEST_CHECKPOINT)


def _file(key: str, given: Path, name: str) -> Path:
    """The file `given`, or else this checkpoint of the run whose folder, or folder of checkpoints, it is.

    Raises:
        IncompatibleCheckpoint: there is none.
    """
    candidates = [given, given / Path(name).name, given / name]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        names = ", ".join(str(candidate) for candidate in candidates)
        raise IncompatibleCheckpoint(
            f"`{key}` must be a run's folder or a checkpoint, but none of these is a file: {names}"
        )
    return found


def load_weights(model: Model, path: Path) -> None:
    """Give the model the weights in the checkpoint; schedules of the model begin anew.

    Raises:
        IncompatibleCheckpoint: it belongs to another model.
    """
    schedules = {name for name, module in model.named_modules() if isinstance(module, Schedule)}
    own = {key: value for key, value in model.state_dict().items() if key.rpartition(".")[0] in schedules}
    try:
        model.load_state_dict({**load(path)["model"], **own})
    except Exception as error:  # torch raises many, by what the file holds
        why = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise IncompatibleCheckpoint(
            f"`init` needs the weights of the same model, but {path} has others: {why}"
        ) from error


def weights(model: Model) -> dict[str, Tensor]:
    """The model's `state_dict`; a tensor that is part of a larger one is copied, or its file would hold the larger."""
    tensors: dict[str, Tensor] = model.state_dict()
    return {
        name: tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor
        for name, tensor in tensors.items()
    }


def global_generator(device: torch.device) -> torch.Generator:
    """What torch draws from on this device unless it is given a generator."""
    if device.type != "cuda":
        return torch.default_generator
    torch.cuda.init()
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]


@dataclass
class TrainingState:
    """Everything that training changes: with it, training that was interrupted goes on to the same bits."""

    model: Model
    optimizer: torch.optim.Optimizer
    order: torch.Generator
    """Draws the order of the training examples."""
    history: list[EpochMetrics]
    """The epochs trained so far."""
    untrained_loss: float = math.inf
    """The largest loss of the model before training, which tells when a run has diverged; infinite if unknown."""
    noise: torch.Generator | None = None
    """Draws the model's random numbers in training; None: the global generator of the model's device."""

    def noise_generator(self) -> torch.Generator:
        """What draws the model's random numbers in training."""
        device = next(self.model.parameters()).device
        return self.noise or global_generator(device)

    def save(self, path: Path) -> None:
        """Write all of it, and the state of the generators of noise: that of the CPU, and that of the model's GPU."""
        device = next(self.model.parameters()).device
        noise = {"cpu": torch.get_rng_state(), device.type: self.noise_generator().get_state()}
        state = {
            "device": device.type,
            "model": weights(self.model),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "noise": noise,
            "history": self.history,
            "untrained_loss": self.untrained_loss,
        }
        save(path, state)

    def restore(self, path: Path, device: torch.device) -> None:
        """Take everything from the checkpoint, which may be of a training on another device.

        Raises:
            IncompatibleCheckpoint: it belongs to another model or optimizer.
        """
        state = load(path)  # model and optimizer copy each tensor to where they need it
        try:
            self._keep_settings_of_the_device(state["optimizer"])
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            why = " ".join(line.strip() for line in str(error).splitlines()[:2])
            raise IncompatibleCheckpoint(
                f"a checkpoint must come from the same model and optimizer, but {path} does not: {why}; "
                f"give the same `model` and `optimizer` or set `resume=null`"
            ) from error
        self.order.set_state(state["order"])
        torch.set_rng_state(state["noise"]["cpu"])
        if device.type in state["noise"]:
            self.noise_generator().set_state(state["noise"][device.type])
        if (before := state.get("device", device.type)) != device.type:
            log.warning(
                "the checkpoint is of a training on device=%s, and this one goes on with device=%s: its noise is "
                "another, so its numbers differ from those of a training on one device",
                *(before, device.type),
            )
        self.history = state["history"]
        self.untrained_loss = state.get("untrained_loss", math.inf)

    def _keep_settings_of_the_device(self, stored: dict[str, Any]) -> None:
        """Put those of the optimizer in place of the stored ones: a GPU may have kernels that the CPU has not."""
        parts = [stored] if "param_groups" in stored else stored.values()  # two, if some gradients are sparse
        groups = [group for part in parts for group in part["param_groups"]]
        for group, own in zip(groups, self.optimizer.param_groups, strict=False):
            group.update({key: own[key] for key in OF_THE_DEVICE if key in own})
