"""Models that differ in numbers alone, trained as one model with a leading axis: the trial.

On a GPU a step of a small model takes the time of launching its kernels; a stack launches them once for all its models.
Each model's parameters are rows of the stack's, so that its own optimizer and its checkpoints work as they do alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from hwsweep.data import Examples
from hwsweep.models import Batch, Model, Stackable
from hwsweep.models.embedding import RowParameter
from hwsweep.training import noise
from hwsweep.training.batches import Rows, binarise_anew, stored
from hwsweep.training.epoch import Moment, Training
from hwsweep.training.evaluation import EVALUATION_BATCH, mean_losses
from hwsweep.training.precision import autocast


class Stack:
    """The learner of several trainings on one device, whose models differ in their `numbers` alone."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        self.models = [training.state.model for training in trainings]
        self.template = _Losses(self.models[0])
        """Its code runs for all models."""
        self.device = next(self.models[0].parameters()).device
        self.parameters = {
            name: nn.Parameter(_share_rows([model.get_parameter(name) for model in self.models]))
            for name, _ in self.models[0].named_parameters()
        }
        self.buffers = {
            name: _share_rows([model.get_buffer(name) for model in self.models])
            for name, _ in self.models[0].named_buffers()
        }
        self.numbers = _different_numbers(self.models, self.device)
        self.data, self.data_rows = _share_data([stored(training.train) for training in trainings], self.device)
        self.noise = noise.TrialNoise.of([training.state.noise_generator() for training in trainings])
        for training, row in zip(trainings, self.noise.rows.tolist(), strict=True):
            training.state.noise = self.noise.generators[row]

    def set_moments(self, moments: Sequence[Moment]) -> None:
        for training, moment in zip(self.trainings, moments, strict=True):
            training.set_moment(moment)

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        plan = self.trainings[0].plan
        with autocast(plan.precision, self.device), noise.of_trials(self.noise):
            losses = self._losses(*self._select(rows), binarise_anew)
        for stacked in self.parameters.values():
            stacked.grad = None
        losses["loss"].mean(1).sum().backward()
        self._give_gradients()
        for training in self.trainings:
            if training.plan.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(training.state.model.parameters(), training.plan.clip_norm)
            training.state.optimizer.step()
        return {name: values.detach().sum(1) for name, values in losses.items()}

    def evaluate(self) -> list[dict[str, float]]:
        for model in self.models:
            model.eval()
        means = {}
        for valid in {id(training.valid): training.valid for training in self.trainings}.values():
            members = [index for index, training in enumerate(self.trainings) if training.valid is valid]
            of_members = mean_losses(partial(self._losses, members=members), valid, self.device, EVALUATION_BATCH)
            for row, member in enumerate(members):
                means[member] = {name: float(values[row]) for name, values in of_members.items()}
        for model in self.models:
            model.train()
        return [means[index] for index in range(len(self.models))]

    def _select(self, rows: Sequence[Rows]) -> tuple[Batch, int | None]:
        """The examples of these rows of each model's data, and the axis of the models; None if all have the same."""
        if len(self.data_rows) == 0 and all(other is rows[0] for other in rows[1:]):
            return {name: values.index_select(0, rows[0]) for name, values in self.data.items()}, None
        if len(self.data_rows) == 0:
            return {name: values[torch.stack(list(rows))] for name, values in self.data.items()}, 0
        return {name: values[self.data_rows[:, None], torch.stack(list(rows))] for name, values in self.data.items()}, 0

    def _losses(
        self,
        batch: Batch,
        axis: int | None = None,
        prepare: Callable[[Batch], Batch] = lambda batch: batch,
        members: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Each loss of each model, (models, examples).

        Args:
            axis: of the models in the batch; None if all have the same examples.
            prepare: what each model does with its batch first.
            members: which models; None for all.
        """

        def losses(tensors: Mapping[str, Tensor], numbers: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
            with _replaced(self.models[0], numbers):
                of_model: dict[str, Tensor] = functional_call(self.template, dict(tensors), (prepare(batch),))
            return of_model

        tensors = {f"model.{name}": values for name, values in [*self.parameters.items(), *self.buffers.items()]}
        numbers = self.numbers
        if members is not None and len(members) < len(self.models):
            tensors = {name: values[members] for name, values in tensors.items()}
            numbers = {name: values[members] for name, values in numbers.items()}
        # "same": what hwsweep.training.noise does not draw is the same for all, as the noise of an evaluation is
        vmapped = torch.vmap(losses, in_dims=(0, 0, axis), randomness="same")
        # fused attention has no rule for a leading axis on a CPU, where torch would warn and loop over the models; on a
        # GPU its rule fails where all models have one mask (torch 2.14, BatchRulesLinearAlgebra.cpp)
        with sdpa_kernel(SDPBackend.MATH):
            of_models: dict[str, Tensor] = vmapped(tensors, numbers, batch)
        return of_models

    def _give_gradients(self) -> None:
        """Each model's parameters their rows of the gradients, sparse where its optimizer expects that."""
        for name, stacked in self.parameters.items():
            assert stacked.grad is not None
            for model, gradient in zip(self.models, stacked.grad, strict=True):
                parameter = model.get_parameter(name)
                parameter.grad = _sparse(gradient) if isinstance(parameter, RowParameter) else gradient


class _Losses(nn.Module):
    """`losses` as the call of a module: `functional_call` needs that."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.model.losses(batch)


def _share_data(data: Sequence[Examples], device: torch.device) -> tuple[Examples, Tensor]:
    """The one data set of all models, and an empty tensor; or all data sets stacked, and each model's row."""
    distinct: list[Examples] = []
    for examples in data:
        if not any(_is_same(examples, other) for other in distinct):
            distinct.append(examples)
    if len(distinct) == 1:
        return distinct[0], torch.empty(0, device=device)
    rows = [next(row for row, other in enumerate(distinct) if _is_same(examples, other)) for examples in data]
    stacked = {name: torch.stack([examples[name] for examples in distinct]) for name in distinct[0]}
    return stacked, torch.tensor(rows, device=device)


def _is_same(some: Examples, other: Examples) -> bool:
    return all(values is other[name] for name, values in some.items())


def _share_rows(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors stacked; each of them is a row of the result from now on."""
    stacked = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, row in zip(tensors, stacked, strict=True):
        tensor.data = row
    return stacked


def _different_numbers(models: Sequence[Model], device: torch.device) -> dict[str, Tensor]:
    """The numbers of all models, by key of conf, where they differ."""
    values: dict[str, list[float]] = {}
    for model in models:
        assert isinstance(model, Stackable)
        for key, attributes in model.numbers().items():
            values.setdefault(key, []).append(float(getattr(*attributes[0])))
    return {key: torch.tensor(some, device=device) for key, some in values.items() if len(set(some)) > 1}


@contextmanager
def _replaced(model: Model, numbers: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the model has these numbers."""
    assert isinstance(model, Stackable)
    attributes = [(owner, name, numbers[key]) for key in numbers for owner, name in model.numbers()[key]]
    before = [getattr(owner, name) for owner, name, _ in attributes]
    for owner, name, value in attributes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), old in zip(attributes, before, strict=True):
            setattr(owner, name, old)


def _sparse(gradient: Tensor) -> Tensor:
    """The rows of the gradient that are not zero, as a sparse tensor."""
    rows = gradient.any(1).nonzero()[:, 0]
    return torch.sparse_coo_tensor(rows[None], gradient[rows], gradient.shape)
