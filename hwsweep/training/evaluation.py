"""The mean of each loss over a split, the same in every epoch and run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.models import Batch, Model
from hwsweep.training.batches import evaluation_batches, n_examples

EVALUATION_SEED = 1_000_003
"""Every evaluation draws the same noise, whatever the run's seed, so that epochs and runs compare."""

EVALUATION_BATCH = 1000
"""Examples per forward pass of an evaluation; results do not depend on it but for rounding and noise."""


def evaluate(model: Model, examples: Examples, batch_size: int = EVALUATION_BATCH) -> dict[str, float]:
    """Mean of each of the model's losses over all examples, in the unit of the loss.

    Draws its own noise and leaves the global generator as it was, so that evaluating does not change training.

    Raises:
        ValueError: a loss is not one number per example.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    means = mean_losses(model.losses, examples, device, batch_size)
    model.train(was_training)
    return {name: float(mean) for name, mean in means.items()}


@torch.no_grad()
def mean_losses(
    losses: Callable[[Batch], dict[str, Tensor]], examples: Examples, device: torch.device, batch_size: int
) -> dict[str, Tensor]:
    """Mean of each loss over all examples, in double precision on the CPU; see `evaluate`.

    Args:
        losses: their last axis is the example; others stay.
    """
    sums: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(EVALUATION_SEED)
        for rows in evaluation_batches(examples, batch_size):
            batch = {name: values[rows].to(device) for name, values in examples.items()}
            for name, values in losses(batch).items():
                if values.shape[-1:] != (n := n_examples(batch),):
                    raise ValueError(
                        f"`losses` must return one number per example, but {name} has shape {tuple(values.shape)} for "
                        f"{n} examples; take reduction='none'"
                    )
                sums[name] = sums[name] + values.sum(-1) if name in sums else values.sum(-1)
    return {name: total.cpu().double() / n_examples(examples) for name, total in sums.items()}


def to_device(examples: Examples, device: torch.device) -> Examples:
    """The examples in their storage type on `device`; no copy where they are there already."""
    return {name: values.to(device) for name, values in examples.items()}
