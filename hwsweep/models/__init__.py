"""Models: the contract. Each model is one YAML under conf/model; the contract tests find it there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwsweep.data import Examples

Batch: TypeAlias = dict[str, Tensor]
"""Some examples in their storage type, on the model's device; first axis = example."""


class Model(nn.Module):
    """The object that conf/model/*.yaml builds from the shapes of one example. Abstract."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """One number per example under each name, shape (n,); training minimises the mean of `loss`."""

    @abstractmethod
    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Tensors that the analysis and the figures need, by name; first axis = example."""


@runtime_checkable
class Stackable(Protocol):
    """A model that can train as one with others that differ from it in numbers alone."""

    def numbers(self) -> dict[str, list[tuple[nn.Module, str]]]:
        """By key of conf, such as `vae.lambda`: the attributes that hold it, each a module and a name.

        `losses` must also work with a tensor in place of the number.
        """
        ...


class Schedule(nn.Module):
    """Tensors that tell how far a training is, for a part of a model that changes meanwhile. Abstract.

    They are part of every checkpoint. `init`, which takes the weights of another run, does not take them.
    """


class Progress(Schedule):
    """How much of the training is done. The training loop sets it before each step and at the end of each epoch."""

    share: Float[Tensor, ""]
    """From 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("share", torch.zeros(()))


class Stages(Schedule):
    """The parts of a training, of as many epochs each, at whose ends the model is measured. Abstract."""

    number: int
    """Of parts."""
    restart: bool
    """Whether the optimizer forgets its state at the beginning of each part."""

    @abstractmethod
    def measure(self, stage: int, model: Model, valid: Examples, losses: Mapping[str, float]) -> None:
        """Keep numbers of the model at the end of a part; the training loop calls it.

        Args:
            stage: the number of the part, from 0.
            valid: the validation split, on the model's device.
            losses: their means over this split, by metric key (`valid/...`).
        """
