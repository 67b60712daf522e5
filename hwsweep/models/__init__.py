"""Models: the contract. Each model is one YAML under conf/model; the contract tests find it there."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeAlias

from torch import Tensor, nn

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
