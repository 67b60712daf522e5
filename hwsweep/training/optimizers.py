"""Optimizers that take dense and sparse gradients together; conf/optimizer/*.yaml names the functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, SparseAdam

from hwsweep.models.embedding import RowParameter

Parameters = Iterable[nn.Parameter]


def adam(
    parameters: Parameters,
    *,
    lr: float,
    betas: Sequence[float],
    weight_decay: float,
    decoupled_weight_decay: bool,
    fused: bool,
) -> Optimizer:
    """Adam, or AdamW where the weight decay is decoupled.

    Tables with sparse gradients get `SparseAdam`: it moves only rows that have a gradient, without weight decay.
    """
    first, second = betas
    dense = AdamW if decoupled_weight_decay else Adam
    return _split(
        parameters,
        lambda others: dense(others, lr=lr, betas=(first, second), weight_decay=weight_decay, fused=fused),
        lambda tables: SparseAdam(tables, lr=lr, betas=(first, second)),
    )


def sgd(parameters: Parameters, *, lr: float, momentum: float, weight_decay: float, fused: bool) -> Optimizer:
    """Stochastic gradient descent; rows of tables with sparse gradients have no momentum and no decay."""
    return _split(
        parameters,
        lambda others: SGD(others, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused),
        lambda tables: SGD(tables, lr=lr),
    )


class DenseAndSparse(Optimizer):
    """Two optimizers as one; its parameter groups are theirs."""

    def __init__(self, dense: Optimizer, sparse: Optimizer) -> None:
        self._optimizers = {"dense": dense, "rows": sparse}
        super().__init__(self._groups(), {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for optimizer in self._optimizers.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state_dict[name])
        self.param_groups = self._groups()  # loading makes new ones

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers.values() for group in optimizer.param_groups]


def _split(
    parameters: Parameters,
    dense: Callable[[list[nn.Parameter]], Optimizer],
    sparse: Callable[[list[nn.Parameter]], Optimizer],
) -> Optimizer:
    """One optimizer for all parameters; two in one only where a model has tables with sparse gradients."""
    tables: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in parameters:
        (tables if isinstance(parameter, RowParameter) else others).append(parameter)
    return DenseAndSparse(dense(others), sparse(tables)) if tables else dense(others)
