"""Training: one loop for every model, in memory, without a DataLoader and without callbacks."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import torch

from hwsweep.data import Examples, Splits
from hwsweep.models import Model, Progress
from hwsweep.training import checkpoint
from hwsweep.training.captured import captured
from hwsweep.training.checkpoint import EpochMetrics, TrainingState
from hwsweep.training.epoch import Diverged, SingleModel, Training, train_epoch
from hwsweep.training.evaluation import EVALUATION_BATCH, evaluate, to_device
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import Schedule

log = logging.getLogger("hwsweep")

DIVERGED_FACTOR = 1e6
"""A validation loss so many times as large as the largest loss of the untrained model, or as 1, is no result.

At lambda = 0 nothing bounds the rate, and yet the negative ELBO of TibetanMNIST-like digits ended at 484 nats, below
the 550 of the untrained model.
"""


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
    training = begin(model, train, valid, optimizer, schedule, plan, folder, resume)
    learner = captured(SingleModel(training), [training])
    yield from training.state.history
    while len(training.state.history) < plan.epochs:
        (metrics,) = train_epoch([training], learner)
        yield finish_epoch(training, metrics, folder)


def begin(
    model: Model,
    train: Examples,
    valid: Examples,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    plan: TrainingPlan,
    folder: Path,
    resume: Path | None,
    noise: torch.Generator | None = None,
) -> Training:
    """The training before its next epoch; see `fit`.

    Args:
        noise: as that of `TrainingState`.
    """
    state = TrainingState(model, optimizer, torch.Generator().manual_seed(plan.seed), [], noise=noise)
    training = Training(state, schedule, plan, [group["lr"] for group in optimizer.param_groups], train, valid)
    if resume is not None:
        _restore(state, resume, plan, folder)
    else:
        some = {name: values[:EVALUATION_BATCH] for name, values in train.items()}
        state.untrained_loss = max(1.0, *map(abs, evaluate(model, some).values()))
    return training


def finish_epoch(training: Training, metrics: EpochMetrics | Diverged, folder: Path) -> EpochMetrics:
    """Add the epoch to the history and write last.pt and, if it is the best so far, best.pt.

    Raises:
        Diverged: as `fit`; nothing is written.
    """
    state, plan = training.state, training.plan
    if isinstance(metrics, Diverged):
        raise metrics
    _require_bounded(metrics, state.untrained_loss)
    best = min(map(plan.value, state.history), default=math.inf)
    state.history.append(metrics)
    training.end_stage(metrics)
    if plan.value(metrics) < best:
        checkpoint.save(folder / "best.pt", {"model": checkpoint.weights(state.model), "epoch": len(state.history)})
    state.save(folder / "last.pt")
    return metrics


def _restore(state: TrainingState, resume: Path, plan: TrainingPlan, folder: Path) -> None:
    """Set the state to that of the checkpoint; a folder other than the checkpoint's gets its best.pt too."""
    state.restore(resume, next(state.model.parameters()).device)
    _warn_of_another_length(state, plan.epochs)
    if resume.parent.absolute() != folder.absolute():
        checkpoint.save(folder / "best.pt", checkpoint.load(resume.with_name("best.pt")))


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
