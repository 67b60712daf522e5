"""Optimizers that take dense and sparse gradients together; conf/optimizer/*.yaml names the functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, SparseAdam

from hwsweep.models.embedding import RowParameter

Parameters = Iterable[nn.Parameter]


def adam(parameters: Parameters, *, lr: float, betas: Sequence[float], weight_decay: float, fused: bool) -> Optimizer:
    """Adam; tables with sparse gradients by `SparseAdam`, which moves only rows that have a gradient, undecayed."""
    first, second = betas
    return _split(
        parameters,
        lambda dense: Adam(dense, lr=lr, betas=(first, second), weight_decay=weight_decay, fused=fused),
        lambda rows: SparseAdam(rows, lr=lr, betas=(first, second)),
    )


def adamw(parameters: Parameters, *, lr: float, betas: Sequence[float], weight_decay: float, fused: bool) -> Optimizer:
    """AdamW; tables with sparse gradients by `SparseAdam`, which moves only rows that have a gradient, undecayed."""
    first, second = betas
    return _split(
        parameters,
        lambda dense: AdamW(dense, lr=lr, betas=(first, second), weight_decay=weight_decay, fused=fused),
        lambda rows: SparseAdam(rows, lr=lr, betas=(first, second)),
    )


def sgd(parameters: Parameters, *, lr: float, momentum: float, weight_decay: float, fused: bool) -> Optimizer:
    """Stochastic gradient descent; rows of tables with sparse gradients have no momentum and no decay."""
    return _split(
        parameters,
        lambda dense: SGD(dense, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused),
        lambda rows: SGD(rows, lr=lr),
    )


class DenseAndRows(Optimizer):
    """Two optimizers as one, which share their parameter groups with it."""

    def __init__(self, dense: Optimizer, rows: Optimizer) -> None:
        self._optimizers = {"dense": dense, "rows": rows}
        super().__init__(self._groups(), {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of each."""
        for optimizer in self._optimizers.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of each, by name."""
        return {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state_dict[name])
        self.param_groups = self._groups()  # loading made new ones

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers.values() for group in optimizer.param_groups]


def _split(
    parameters: Parameters,
    dense: Callable[[list[nn.Parameter]], Optimizer],
    rows: Callable[[list[nn.Parameter]], Optimizer],
) -> Optimizer:
    """One optimizer for all parameters, made of two only where a model has tables with sparse gradients."""
    listed = list(parameters)
    tables = [parameter for parameter in listed if isinstance(parameter, RowParameter)]
    others = [parameter for parameter in listed if not isinstance(parameter, RowParameter)]
    return DenseAndRows(dense(others), rows(list(tables))) if tables else dense(others)
