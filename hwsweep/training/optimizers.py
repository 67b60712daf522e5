"""Optimizers that take dense and sparse gradients together; conf/optimizer/*.yaml names the classes that build them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn, optim

from hwsweep.argument_checks import check_choice, check_number, check_numbers
from hwsweep.models.embedding import RowParameter

Parameters = Iterable[nn.Parameter]


@dataclass(frozen=True)
class Adam:
    """Builds Adam, or AdamW where the weight decay is decoupled.

    Tables with sparse gradients get `SparseAdam`: it moves only rows that have a gradient, without weight decay, and
    adds `eps` before the bias correction of the second moment (Kingma & Ba 2014, section 2); Adam and AdamW after it.

    Raises:
        ValueError: a value is out of range.
    """

    lr: float
    betas: Sequence[float]
    eps: float
    weight_decay: float
    decoupled_weight_decay: bool
    fused: bool

    def __post_init__(self) -> None:
        for name in ("lr", "weight_decay"):
            check_number(f"optimizer.{name}", getattr(self, name), "[0, inf)")
        check_numbers("optimizer.betas", self.betas, 2, "[0, 1)")
        check_number("optimizer.eps", self.eps, "(0, inf)")
        for name in ("decoupled_weight_decay", "fused"):
            check_choice(f"optimizer.{name}", getattr(self, name), (True, False))

    def __call__(self, parameters: Parameters) -> optim.Optimizer:
        kind = optim.AdamW if self.decoupled_weight_decay else optim.Adam
        return _split(
            parameters,
            self._with_moments(partial(kind, weight_decay=self.weight_decay, fused=self.fused)),
            self._with_moments(optim.SparseAdam),
        )

    def _with_moments(self, kind: Callable[..., optim.Optimizer]) -> Callable[[list[nn.Parameter]], optim.Optimizer]:
        first, second = self.betas
        return partial(kind, lr=self.lr, betas=(first, second), eps=self.eps)


@dataclass(frozen=True)
class SGD:
    """Builds stochastic gradient descent; rows of tables with sparse gradients have no momentum and no decay.

    Raises:
        ValueError: a value is out of range.
    """

    lr: float
    momentum: float
    weight_decay: float
    fused: bool

    def __post_init__(self) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_number(f"optimizer.{name}", getattr(self, name), "[0, inf)")
        check_choice("optimizer.fused", self.fused, (True, False))

    def __call__(self, parameters: Parameters) -> optim.Optimizer:
        dense = partial(optim.SGD, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=self.fused)
        return _split(parameters, dense, partial(optim.SGD, lr=self.lr))


class DenseAndSparse(optim.Optimizer):
    """Two optimizers as one; its parameter groups are theirs."""

    def __init__(self, dense: optim.Optimizer, sparse: optim.Optimizer) -> None:
        self._optimizers = {"dense": dense, "rows": sparse}
        super().__init__(self._groups(), {})

    def __reduce__(self) -> tuple[Any, ...]:
        return DenseAndSparse, (self._optimizers["dense"], self._optimizers["rows"])

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
    dense: Callable[[list[nn.Parameter]], optim.Optimizer],
    sparse: Callable[[list[nn.Parameter]], optim.Optimizer],
) -> optim.Optimizer:
    """One optimizer for all parameters; two in one only where a model has tables with sparse gradients."""
    tables: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in parameters:
        (tables if isinstance(parameter, RowParameter) else others).append(parameter)
    return DenseAndSparse(dense(others), sparse(tables)) if tables else dense(others)
