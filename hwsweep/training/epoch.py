"""One epoch of one model, or of several that train together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.models import Progress
from hwsweep.training.batches import Rows, n_examples, training_batch, training_batches
from hwsweep.training.checkpoint import EpochMetrics, TrainingState
from hwsweep.training.evaluation import evaluate
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.precision import autocast, products
from hwsweep.training.schedules import Schedule


class Diverged(Exception):
    """A loss stopped being finite, or is larger than those of the untrained model by orders of magnitude."""

    failure_reason = "diverged"


class Training(NamedTuple):
    """One model in training."""

    state: TrainingState
    schedule: Schedule
    plan: TrainingPlan
    peak_rates: list[float]
    """Of the optimizer's parameter groups: the schedule multiplies them."""
    train: Examples
    """On the model's device, as `valid`."""
    valid: Examples

    def set_rates(self, step: int, n_steps: int) -> None:
        """Learning rates, and how far the training is, of this step of all."""
        self.set_progress(step / n_steps)
        factor = self.schedule(step, n_steps)
        for group, peak_rate in zip(self.state.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak_rate * factor

    def set_progress(self, share: float) -> None:
        for module in self.state.model.modules():
            if isinstance(module, Progress):
                module.share.fill_(share)

    @property
    def learning_rate(self) -> float:
        rate: float = self.state.optimizer.param_groups[0]["lr"]
        return rate


class Learner(Protocol):
    """The models of some trainings, which take each step together."""

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        """One step of each model on these rows of its data; the sum of each loss before it, (models,)."""
        ...

    def evaluate(self) -> list[dict[str, float]]:
        """The mean of each loss over the validation split, for each model."""
        ...


class SingleModel:
    """The learner of one training."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        state, plan = self.training.state, self.training.plan
        batch = training_batch(self.training.train, rows[0])
        with autocast(plan.precision, rows[0].device):
            losses = state.model.losses(batch)
        state.optimizer.zero_grad(set_to_none=True)
        losses["loss"].mean().backward()
        if plan.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), plan.clip_norm)
        state.optimizer.step()
        return {name: values.detach().sum(0, keepdim=True) for name, values in losses.items()}

    def evaluate(self) -> list[dict[str, float]]:
        return [evaluate(self.training.state.model, self.training.valid)]


def train_epoch(trainings: Sequence[Training], learner: Learner) -> list[EpochMetrics | Diverged]:
    """Train each model one epoch and evaluate; `epoch`, `train/...`, `valid/...` and `time/...` of it.

    Of models that train together `time/...` is the time of all. A model whose loss stops being finite has the error
    instead, and the others do not notice.

    Args:
        trainings: with the same batch size, precision and number of examples, of models on one device.
    """
    started = time.perf_counter()
    with products(trainings[0].plan.precision, next(trainings[0].state.model.parameters()).device):
        means = _train(trainings, learner)
    trained = time.perf_counter()
    losses = learner.evaluate()
    times = {
        "time/train_seconds": trained - started,
        "time/valid_seconds": time.perf_counter() - trained,
        "time/examples_per_second": n_examples(trainings[0].train) / (trained - started),
    }
    return [
        mean
        if isinstance(mean, Diverged)
        else {
            "epoch": float(len(training.state.history) + 1),
            **{f"train/{name}": value for name, value in mean.items()},
            **{f"valid/{name}": value for name, value in of_valid.items()},
            "train/lr": training.learning_rate,
            **times,
        }
        for training, mean, of_valid in zip(trainings, means, losses, strict=True)
    ]


def _train(trainings: Sequence[Training], learner: Learner) -> list[dict[str, float] | Diverged]:
    """Mean of each loss over the epoch, as they were when each batch was trained on; an error if one is not finite."""
    sums: dict[str, Tensor] = {}
    step_losses: list[Tensor] = []
    learning_rates: list[list[float]] = []
    batches = [
        training_batches(training.train, training.plan.batch_size, training.state.order) for training in trainings
    ]
    n_batches = len(batches[0])
    for training in trainings:
        training.state.model.train()
    for step in range(n_batches):
        for training in trainings:
            training.set_rates(len(training.state.history) * n_batches + step, training.plan.epochs * n_batches)
        rows = [of_training[step] for of_training in batches]
        step_sums = learner.step(rows)
        step_losses.append(step_sums["loss"] / len(rows[0]))
        learning_rates.append([training.learning_rate for training in trainings])
        for name, total in step_sums.items():
            sums[name] = sums[name] + total if name in sums else total
    for training in trainings:
        training.set_progress((len(training.state.history) + 1) / training.plan.epochs)
    losses = torch.stack(step_losses)  # checked at once: a check at each step would make an accelerator wait
    broken = (~torch.isfinite(losses)).cpu()
    totals = {name: total.tolist() for name, total in sums.items()}
    return [
        _diverged(losses[:, index], [rates[index] for rates in learning_rates], len(training.state.history) + 1)
        if broken[:, index].any()
        else {name: values[index] / n_examples(training.train) for name, values in totals.items()}
        for index, training in enumerate(trainings)
    ]


def _diverged(step_losses: Tensor, learning_rates: list[float], epoch: int) -> Diverged:
    """The error about the first of these losses that is not finite."""
    step = int((~torch.isfinite(step_losses)).nonzero()[0])
    return Diverged(
        f"the loss must stay finite, but was {float(step_losses[step])} at epoch {epoch}, step {step + 1} of "
        f"{len(step_losses)}, learning rate {learning_rates[step]:g}; "
        f"try a smaller `optimizer.lr` or set `clip_norm`"
    )
