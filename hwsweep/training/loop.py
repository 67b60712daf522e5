"""Training and evaluation: one loop for every model, in memory, without a DataLoader and without callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hwsweep.data import Examples, Splits
from hwsweep.models import Batch, Model
from hwsweep.training import checkpoint
from hwsweep.training.batches import evaluation_batches, training_batches
from hwsweep.training.precision import PRECISIONS, autocast, onednn_products
from hwsweep.training.schedules import Schedule

Row = dict[str, float]
"""What an epoch measured, by metric key: `epoch` (from 1), `train/loss` [nats per example], `time/train_seconds`..."""

EVALUATION_SEED = 1_000_003
"""Every evaluation draws the same noise, whatever the run's seed, so that epochs and runs compare."""

EVALUATION_BATCH = 1000
"""Examples per forward pass of an evaluation; results do not depend on it but for rounding and noise."""


class Diverged(Exception):
    """The loss stopped being finite."""

    failure_reason = "diverged"


class OtherModel(ValueError):
    """The checkpoint to go on from belongs to another model or optimizer."""

    failure_reason = "invalid-config"


@dataclass(frozen=True)
class Plan:
    """How to train; every value comes from conf."""

    epochs: int
    batch_size: int
    clip_norm: float | None
    """Largest norm of the gradient of the mean loss; None leaves gradients alone."""
    precision: str
    """One of `PRECISIONS`: of the network's products in training; evaluation is float32."""
    seed: int
    select: str
    """The `valid/...` metric whose lowest epoch is kept as best.pt; what training minimises, as a rule."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number >= 1, but got {value!r}")
        if self.clip_norm is not None and not (isinstance(self.clip_norm, int | float) and self.clip_norm > 0):
            raise ValueError(f"`clip_norm` must be a number > 0 or null, but got {self.clip_norm!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"`precision` must be one of {', '.join(PRECISIONS)}, but got {self.precision!r}")
        if not self.select.startswith("valid/"):
            raise ValueError(
                f"`select` must be measured on the validation split, as `valid/loss` is, but got {self.select!r}"
            )


def fit(
    model: Model,
    splits: Splits,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    plan: Plan,
    folder: Path,
    resume: Path | None = None,
) -> Iterator[Row]:
    """Train, one epoch for each row that is asked for; `folder` then holds last.pt and best.pt.

    With the same seed on the same machine every row is the same to the last bit (but for `time/...`), also when
    training was cut after any epoch and goes on from last.pt.

    Args:
        resume: a checkpoint of an earlier fit to go on from; its rows are given out again first.

    Raises:
        Diverged: a loss is not finite; the message names epoch, step and learning rate.
        OtherModel: the checkpoint belongs to another model.
    """
    device = next(model.parameters()).device
    train = to_device(splits.train, device)
    valid = to_device(splits.valid, device)
    order = torch.Generator().manual_seed(plan.seed)
    peak_rates = [group["lr"] for group in optimizer.param_groups]
    history: list[Row] = []
    if resume is not None:
        history = _restore(checkpoint.load(resume, device), resume, model, optimizer, order)
        if resume.parent.absolute() != folder.absolute():
            checkpoint.save(folder / "best.pt", checkpoint.load(resume.with_name("best.pt")))
        yield from history
    best = min((row[plan.select] for row in history), default=math.inf)
    for epoch in range(len(history) + 1, plan.epochs + 1):
        started = time.perf_counter()
        means = _train_epoch(model, train, optimizer, schedule, peak_rates, order, plan, epoch)
        trained = time.perf_counter()
        row = {
            "epoch": float(epoch),
            **{f"train/{name}": value for name, value in means.items()},
            **{f"valid/{name}": value for name, value in evaluate(model, valid).items()},
            "train/lr": optimizer.param_groups[0]["lr"],
            "time/train_seconds": trained - started,
            "time/valid_seconds": time.perf_counter() - trained,
            "time/examples_per_second": _count(train) / (trained - started),
        }
        history.append(row)
        if row[plan.select] < best:
            best = row[plan.select]
            checkpoint.save(folder / "best.pt", {"model": model.state_dict(), "epoch": epoch})
        checkpoint.save(folder / "last.pt", _state(model, optimizer, order, history))
        yield row


@torch.no_grad()
@onednn_products()
def evaluate(model: Model, examples: Examples, batch_size: int = EVALUATION_BATCH) -> Row:
    """Mean of each of the model's losses over all examples, in the unit of the loss.

    Draws its own noise and leaves the global generator as it was, so that evaluating does not change training.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    sums: dict[str, Tensor] = {}
    n_examples = _count(examples)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(EVALUATION_SEED)
        for rows in evaluation_batches(examples, batch_size):
            batch = {name: values[rows].to(device) for name, values in examples.items()}
            for name, values in model.losses(batch).items():
                sums[name] = sums.get(name, torch.zeros((), device=device)) + values.sum()
    model.train(was_training)
    return {name: float(total) / n_examples for name, total in sums.items()}


def to_device(examples: Examples, device: torch.device) -> Examples:
    """The examples in their storage type on `device`; no copy where they are there already."""
    return {name: values.to(device) for name, values in examples.items()}


@onednn_products()
def _train_epoch(
    model: Model,
    train: Examples,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    peak_rates: list[float],
    order: torch.Generator,
    plan: Plan,
    epoch: int,
) -> Row:
    """Mean of each of the model's losses over the epoch, as they were when each batch was trained on."""
    model.train()
    n_examples = _count(train)
    sums: dict[str, Tensor] = {}
    step_losses: list[Tensor] = []
    learning_rates: list[float] = []
    batches = training_batches(train, plan.batch_size, order)
    for step, indices in enumerate(batches, start=(epoch - 1) * len(batches)):
        factor = schedule(step, plan.epochs * len(batches))
        for group, peak_rate in zip(optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak_rate * factor
        batch = {name: values.index_select(0, indices) for name, values in train.items()}
        step_sums = _train_step(model, batch, optimizer, plan)
        step_losses.append(step_sums["loss"] / len(indices))
        learning_rates.append(optimizer.param_groups[0]["lr"])
        for name, total in step_sums.items():
            sums[name] = sums[name] + total if name in sums else total
    _require_finite(torch.stack(step_losses), learning_rates, epoch)
    return {name: float(total) / n_examples for name, total in sums.items()}


def _train_step(model: Model, batch: Batch, optimizer: torch.optim.Optimizer, plan: Plan) -> dict[str, Tensor]:
    """Sum over the batch of each loss, before the step; a function of its own, so that its memory is free again."""
    with autocast(plan.precision, next(model.parameters()).device):
        losses = model.losses(batch)
    optimizer.zero_grad(set_to_none=True)
    losses["loss"].mean().backward()
    if plan.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
    optimizer.step()
    return {name: values.detach().sum() for name, values in losses.items()}


def _require_finite(step_losses: Tensor, learning_rates: list[float], epoch: int) -> None:
    """Look at the losses once an epoch: a look at each step would make an accelerator wait."""
    broken = (~torch.isfinite(step_losses)).nonzero()
    if len(broken) > 0:
        step = int(broken[0])
        raise Diverged(
            f"the loss must stay finite, but was {float(step_losses[step])} at epoch {epoch}, step {step + 1} of "
            f"{len(step_losses)}, learning rate {learning_rates[step]:g}; "
            f"try a smaller `optimizer.lr` or set `clip_norm`"
        )


def _state(
    model: Model, optimizer: torch.optim.Optimizer, order: torch.Generator, history: list[Row]
) -> dict[str, Any]:
    noise = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        noise["cuda"] = torch.cuda.get_rng_state()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "order": order.get_state(),
        "noise": noise,
        "history": history,
    }


def _restore(
    state: dict[str, Any],
    path: Path,
    model: Model,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
) -> list[Row]:
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, RuntimeError, ValueError) as error:
        what = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise OtherModel(
            f"a checkpoint must come from the same model and optimizer, but {path} does not: {what}; "
            f"give the same `model` and `optimizer` or set `resume=null`"
        ) from error
    order.set_state(state["order"].cpu())
    torch.set_rng_state(state["noise"]["cpu"].cpu())
    if "cuda" in state["noise"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["noise"]["cuda"].cpu())
    history: list[Row] = state["history"]
    return history


def _count(examples: Examples) -> int:
    return len(next(iter(examples.values())))
