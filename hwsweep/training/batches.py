"""Batches: which examples go through a model together. Texts of similar length share a batch."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from hwsweep.data import Examples
from hwsweep.training.noise import whole_numbers_like

Rows = Int[Tensor, " batch"]

SORTED_BATCHES = 50
"""Shuffled texts are sorted by length within groups of so many batches: less padding, and the order stays random."""

MAX_TOKENS = 65_536
"""Tokens, padding included, in one batch of an evaluation: its memory does not grow with the longest text."""


def n_examples(examples: Examples) -> int:
    """How many examples a split has."""
    return len(next(iter(examples.values())))


def training_batches(examples: Examples, batch_size: int, order: torch.Generator) -> list[Rows]:
    """Every row once, in random order, in batches of `batch_size` (the last may be smaller)."""
    permutation = torch.randperm(n_examples(examples), generator=order)
    if "length" not in examples:
        return list(permutation.to(next(iter(examples.values())).device).split(batch_size))
    length = examples["length"].cpu()
    batches = [
        batch
        for pool in permutation.split(SORTED_BATCHES * batch_size)
        for batch in pool[length[pool].argsort(stable=True)].split(batch_size)
    ]
    device = examples["length"].device
    return [batches[index].to(device) for index in torch.randperm(len(batches), generator=order)]


def training_batch(examples: Examples, rows: Rows) -> Examples:
    """The examples of these rows, as `binarise_anew` gives them."""
    return binarise_anew({name: values.index_select(0, rows) for name, values in stored(examples).items()})


def stored(examples: Examples) -> Examples:
    """The part of training examples that is not drawn anew."""
    return {name: values for name, values in examples.items() if name != "image" or "intensity" not in examples}


def binarise_anew(batch: Examples) -> Examples:
    """The batch with a new draw of `image` from `intensity`, 0 or 255, if it has one.

    Draws as `hwsweep.training.noise` does, whose state is part of each checkpoint.
    """
    if "intensity" not in batch:
        return batch
    intensity = batch["intensity"]
    # whole numbers from 0 to 254: below the intensity with a probability of exactly intensity / 255
    image = (whole_numbers_like(intensity, 255) < intensity).to(torch.uint8) * 255
    return {**{name: values for name, values in batch.items() if name != "intensity"}, "image": image}


def evaluation_batches(examples: Examples, batch_size: int, *, padded: bool = True) -> list[slice | Rows]:
    """Every row once, in order, at most `batch_size` at a time; texts by length, at most `MAX_TOKENS` at a time.

    Args:
        padded: whether texts of several lengths share a batch.
    """
    if "length" not in examples:
        return [slice(start, start + batch_size) for start in range(0, n_examples(examples), batch_size)]
    length, by_length = examples["length"].cpu().sort(stable=True)
    batches: list[slice | Rows] = []
    stop = len(length)
    while stop > 0:
        n_texts = max(1, MAX_TOKENS // max(1, int(length[stop - 1])))
        start = max(0, stop - min(batch_size, n_texts))
        if not padded:
            start = max(start, int(torch.searchsorted(length, length[stop - 1])))
        batches.append(by_length[start:stop].to(examples["length"].device))
        stop = start
    return batches
