"""How a run trains, as conf says."""

from __future__ import annotations

from dataclasses import dataclass

from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.precision import PRECISIONS

LAST = "last"
"""The `select` of a model whose losses do not compare over epochs, because their weights move until the end."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train; every value comes from conf."""

    epochs: int
    batch_size: int
    clip_norm: float | None
    """Largest norm of the gradient of the mean loss; None leaves gradients alone."""
    precision: str
    """One of `PRECISIONS`: of the network's products in training; evaluation is exact float32."""
    seed: int
    select: str
    """The `valid/...` metric whose lowest epoch is stored as best.pt; what training minimises, as a rule. Or `LAST`."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, least=0, most=2**63 - 1)
        check_number("clip_norm", self.clip_norm, "(0, inf)", or_null=True)
        check_choice("precision", self.precision, PRECISIONS)
        if self.select != LAST and not str(self.select).startswith("valid/"):
            raise ValueError(
                f"`select` must be measured on the validation split, as `valid/loss` is, or {LAST}, but got "
                f"{self.select!r}"
            )

    def value(self, metrics: EpochMetrics) -> float:
        """What `select` names, of this epoch; lower is better. Of `LAST` each epoch has a lower one."""
        return -metrics["epoch"] if self.select == LAST else metrics[self.select]
