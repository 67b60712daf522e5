"""Training: one loop for every model, in memory, without a DataLoader and without callbacks."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.data import Examples, Splits
from hwsweep.models import Batch, Model, Progress
from hwsweep.training import checkpoint
from hwsweep.training.batches import n_examples, training_batch, training_batches
from hwsweep.training.checkpoint import EpochMetrics, TrainingState
from hwsweep.training.evaluation import EVALUATION_BATCH, evaluate, to_device
from hwsweep.training.precision import PRECISIONS, autocast, products
from hwsweep.training.schedules import Schedule

log = logging.getLogger("hwsweep")

LAST = "last"
"""The `select` of a model whose losses do not compare over epochs, because their weights move until the end."""

DIVERGED_FACTOR = 1e6
"""A validation loss so many times as large as the largest loss of the untrained model, or as 1, is no result.

At lambda = 0 nothing bounds the rate, and yet the negative ELBO of TibetanMNIST-like digits ended at 484 nats, below
the 550 of the untrained model.
"""


class Diverged(Exception):
    """A loss stopped being finite, or is larger than those of the untrained model by orders of magnitude."""

    failure_reason = "diverged"


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


def fit(
    model: Model,
    splits: Splits,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    plan: TrainingPlan,
    folder: Path,
    resume: Path | None = None,
) -> Iterator[EpochMetrics]:
    """Train one epoch for each item that the caller takes; `folder` then holds last.pt and best.pt.

    With the same seed on the same machine every number is the same to the last bit (but for `time/...`), also when
    training stops after any epoch and goes on from last.pt.

    Args:
        resume: a checkpoint of an earlier fit to go on from; its epochs are yielded again first. If that fit had
            another number of epochs, schedules go on as in a fit that had `plan.epochs` from its start.

    Raises:
        Diverged: a loss is not finite, or beyond `DIVERGED_FACTOR`; the message names epoch and learning rate.
        IncompatibleCheckpoint: the checkpoint belongs to another model.
    """
    device = next(model.parameters()).device
    train, valid = to_device(splits.train, device), to_device(splits.valid, device)
    state = TrainingState(model, optimizer, torch.Generator().manual_seed(plan.seed), [])
    peak_rates = [group["lr"] for group in optimizer.param_groups]
    if resume is not None:
        _restore(state, resume, plan, folder)
    else:
        some = {name: values[:EVALUATION_BATCH] for name, values in train.items()}
        state.untrained_loss = max(1.0, *map(abs, evaluate(model, some).values()))
    yield from state.history
    best = min(map(plan.value, state.history), default=math.inf)
    for epoch in range(len(state.history) + 1, plan.epochs + 1):
        metrics = _epoch_metrics(state, train, valid, schedule, peak_rates, plan)
        _require_bounded(metrics, state.untrained_loss)
        state.history.append(metrics)
        if plan.value(metrics) < best:
            best = plan.value(metrics)
            checkpoint.save(folder / "best.pt", {"model": model.state_dict(), "epoch": epoch})
        state.save(folder / "last.pt")
        yield metrics


def _restore(state: TrainingState, resume: Path, plan: TrainingPlan, folder: Path) -> None:
    """Set the state to that of the checkpoint; a folder other than the checkpoint's gets its best.pt too."""
    state.restore(resume, next(state.model.parameters()).device)
    _warn_of_another_length(state, plan.epochs)
    if resume.parent.absolute() != folder.absolute():
        checkpoint.save(folder / "best.pt", checkpoint.load(resume.with_name("best.pt")))


def _epoch_metrics(
    state: TrainingState,
    train: Examples,
    valid: Examples,
    schedule: Schedule,
    peak_rates: list[float],
    plan: TrainingPlan,
) -> EpochMetrics:
    """Train one epoch and evaluate; `epoch`, `train/...`, `valid/...` and `time/...` of it."""
    started = time.perf_counter()
    with products(plan.precision, next(state.model.parameters()).device):
        means = _train_epoch(state, train, schedule, peak_rates, plan)
    trained = time.perf_counter()
    return {
        "epoch": float(len(state.history) + 1),
        **{f"train/{name}": value for name, value in means.items()},
        **{f"valid/{name}": value for name, value in evaluate(state.model, valid).items()},
        "train/lr": state.optimizer.param_groups[0]["lr"],
        "time/train_seconds": trained - started,
        "time/valid_seconds": time.perf_counter() - trained,
        "time/examples_per_second": n_examples(train) / (trained - started),
    }


def _train_epoch(
    state: TrainingState, train: Examples, schedule: Schedule, peak_rates: list[float], plan: TrainingPlan
) -> dict[str, float]:
    """Mean of each of the model's losses over the epoch, as they were when each batch was trained on."""
    state.model.train()
    sums: dict[str, Tensor] = {}
    step_losses: list[Tensor] = []
    learning_rates: list[float] = []
    batches = training_batches(train, plan.batch_size, state.order)
    n_steps = plan.epochs * len(batches)
    for step, indices in enumerate(batches, start=len(state.history) * len(batches)):
        _set_progress(state.model, step / n_steps)
        factor = schedule(step, n_steps)
        for group, peak_rate in zip(state.optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak_rate * factor
        step_sums = _train_step(state.model, training_batch(train, indices), state.optimizer, plan)
        step_losses.append(step_sums["loss"] / len(indices))
        learning_rates.append(state.optimizer.param_groups[0]["lr"])
        for name, total in step_sums.items():
            sums[name] = sums[name] + total if name in sums else total
    _set_progress(state.model, (len(state.history) + 1) / plan.epochs)
    _require_finite(torch.stack(step_losses), learning_rates, len(state.history) + 1)
    return {name: float(total) / n_examples(train) for name, total in sums.items()}


def _train_step(model: Model, batch: Batch, optimizer: torch.optim.Optimizer, plan: TrainingPlan) -> dict[str, Tensor]:
    """Sum of each loss over the batch, before the step; a function of its own, so that its memory is freed."""
    with autocast(plan.precision, next(model.parameters()).device):
        losses = model.losses(batch)
    optimizer.zero_grad(set_to_none=True)
    losses["loss"].mean().backward()
    if plan.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
    optimizer.step()
    return {name: values.detach().sum() for name, values in losses.items()}


def _set_progress(model: Model, share: float) -> None:
    for module in model.modules():
        if isinstance(module, Progress):
            module.share.fill_(share)


def _warn_of_another_length(state: TrainingState, n_epochs: int) -> None:
    """Warn if the model has a schedule, and the checkpoint is of a training with another number of epochs."""
    n_trained = len(state.history)
    now = min(1.0, n_trained / n_epochs)
    for module in state.model.modules():
        if isinstance(module, Progress) and abs((before := float(module.share)) - now) > 1e-6:
            if n_trained < n_epochs:
                next_is = f"with epochs={n_epochs} it goes on at {100 * now:.0f} %"
            else:
                next_is = f"it stays there, because epochs={n_epochs} leaves no epoch to train"
            log.warning("the checkpoint has %d epochs, and a schedule at %.0f %%: %s", n_trained, 100 * before, next_is)


def _require_finite(step_losses: Tensor, learning_rates: list[float], epoch: int) -> None:
    """Check all losses of an epoch at once: a check at each step would make an accelerator wait."""
    broken = (~torch.isfinite(step_losses)).nonzero()
    if len(broken) > 0:
        step = int(broken[0])
        raise Diverged(
            f"the loss must stay finite, but was {float(step_losses[step])} at epoch {epoch}, step {step + 1} of "
            f"{len(step_losses)}, learning rate {learning_rates[step]:g}; "
            f"try a smaller `optimizer.lr` or set `clip_norm`"
        )


def _require_bounded(metrics: EpochMetrics, untrained_loss: float) -> None:
    """Check the validation losses of an epoch against those of the untrained model."""
    limit = DIVERGED_FACTOR * untrained_loss
    for name, value in metrics.items():
        if name.startswith("valid/") and not abs(value) <= limit:
            raise Diverged(
                f"every validation loss must stay below {DIVERGED_FACTOR:g} times the largest loss of the untrained "
                f"model ({untrained_loss:.4g}), but {name} was {value:.4g} after epoch {metrics['epoch']:.0f}, "
                f"learning rate {metrics['train/lr']:g}; try a smaller `optimizer.lr` or set `clip_norm`"
            )
