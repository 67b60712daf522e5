"""One epoch of one model, or of several that train together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.models import Progress, Stages
from hwsweep.training.batches import Rows, n_examples, training_batch, training_batches
from hwsweep.training.checkpoint import EpochMetrics, TrainingState
from hwsweep.training.evaluation import evaluate
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.precision import autocast, products
from hwsweep.training.schedules import Schedule


class Diverged(Exception):
    """A loss stopped being finite, or is larger than those of the untrained model by orders of magnitude."""

    failure_reason = "diverged"


class Moment(NamedTuple):
    """Where a training is at one of its steps."""

    share: float
    """Of the training that is done, from 0 to 1."""
    rates: list[float]
    """Learning rates of the optimizer's parameter groups."""


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

    def moment(self, step: int, n_batches: int) -> Moment:
        """What this step of the next epoch is given."""
        step, n_steps = len(self.state.history) * n_batches + step, self.plan.epochs * n_batches
        factor = self.schedule(step, n_steps)
        return Moment(step / n_steps, [peak_rate * factor for peak_rate in self.peak_rates])

    def set_moment(self, moment: Moment) -> None:
        self.set_progress(moment.share)
        for group, rate in zip(self.state.optimizer.param_groups, moment.rates, strict=True):
            group["lr"] = rate

    def set_progress(self, share: float) -> None:
        for module in self.state.model.modules():
            if isinstance(module, Progress):
                module.share.fill_(share)

    def begin_stage(self) -> None:
        """Let the optimizer forget its state if a stage that wants this begins with the next epoch."""
        for module in self.state.model.modules():
            if isinstance(module, Stages) and module.restart and self._stage(module) is not None:
                self.state.optimizer.state.clear()

    def end_stage(self, metrics: EpochMetrics) -> None:
        """Measure the model if a stage ends with the last epoch of the history, which had these metrics."""
        for module in self.state.model.modules():
            if isinstance(module, Stages) and (stage := self._stage(module)) is not None:
                module.measure(stage - 1, self.state.model, self.valid, metrics)

    def _stage(self, stages: Stages) -> int | None:
        """How many stages are over; None in the middle of one."""
        n_over, rest = divmod(len(self.state.history) * stages.number, self.plan.epochs)
        return None if rest else n_over


class Learner(Protocol):
    """The models of some trainings, which take each step together."""

    def set_moments(self, moments: Sequence[Moment]) -> None:
        """Give each model what its next step needs to know."""
        ...

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        """One step of each model on these rows of its data; the sum of each loss before it, (models,).

        Models with the same batch have the same object in `rows`.
        """
        ...

    def evaluate(self) -> list[dict[str, float]]:
        """The mean of each loss over the validation split, for each model."""
        ...


class SingleModel:
    """The learner of one training."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def set_moments(self, moments: Sequence[Moment]) -> None:
        self.training.set_moment(moments[0])

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
            "train/lr": rate,
            **times,
        }
        for training, (mean, rate), of_valid in zip(trainings, means, losses, strict=True)
    ]


def _train(trainings: Sequence[Training], learner: Learner) -> list[tuple[dict[str, float] | Diverged, float]]:
    """Mean of each loss over the epoch, as they were when each batch was trained on, or an error if one is not finite.

    With each the last learning rate.
    """
    sums: dict[str, Tensor] = {}
    step_losses: list[Tensor] = []
    learning_rates: list[list[float]] = []
    batches = _batches(trainings)
    n_batches = len(batches[0])
    for training in trainings:
        training.begin_stage()
        training.state.model.train()
    for step in range(n_batches):
        moments = [training.moment(step, n_batches) for training in trainings]
        rows = [of_training[step] for of_training in batches]
        learner.set_moments(moments)
        step_sums = learner.step(rows)
        step_losses.append(step_sums["loss"] / len(rows[0]))
        learning_rates.append([moment.rates[0] for moment in moments])
        for name, total in step_sums.items():
            sums[name] = sums[name] + total if name in sums else total
    for training in trainings:
        training.set_progress((len(training.state.history) + 1) / training.plan.epochs)
    losses = torch.stack(step_losses)  # checked at once: a check at each step would make an accelerator wait
    broken = (~torch.isfinite(losses)).cpu()
    totals = {name: total.tolist() for name, total in sums.items()}
    means: list[dict[str, float] | Diverged] = [
        _diverged(losses[:, index], [rates[index] for rates in learning_rates], len(training.state.history) + 1)
        if broken[:, index].any()
        else {name: values[index] / n_examples(training.train) for name, values in totals.items()}
        for index, training in enumerate(trainings)
    ]
    return list(zip(means, learning_rates[-1], strict=True))


def _batches(trainings: Sequence[Training]) -> list[list[Rows]]:
    """The batches of each training's next epoch; the same objects where they are the same."""
    drawn: dict[tuple[int, bytes], tuple[list[Rows], Tensor]] = {}
    batches = []
    for training in trainings:
        order = training.state.order
        key = id(training.train), bytes(order.get_state().numpy())
        if key not in drawn:
            drawn[key] = training_batches(training.train, training.plan.batch_size, order), order.get_state()
        else:
            order.set_state(drawn[key][1])
        batches.append(drawn[key][0])
    return batches


def _diverged(step_losses: Tensor, learning_rates: list[float], epoch: int) -> Diverged:
    """The error about the first of these losses that is not finite."""
    step = int((~torch.isfinite(step_losses)).nonzero()[0])
    return Diverged(
        f"the loss must stay finite, but was {float(step_losses[step])} at epoch {epoch}, step {step + 1} of "
        f"{len(step_losses)}, learning rate {learning_rates[step]:g}; "
        f"try a smaller `optimizer.lr` or set `clip_norm`"
    )
