"""Which examples go through a model together: at random, and texts with others of like length."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from hwsweep.data import Examples

Rows = Int[Tensor, " batch"]

SORTED_BATCHES = 50
"""Batches' worth of shuffled texts that are sorted by length together: padding shrinks, and order stays random."""

MOST_TOKENS = 65_536
"""Tokens, padding included, in one batch of an evaluation: its memory does not grow with the longest text."""


def training_batches(examples: Examples, batch_size: int, order: torch.Generator) -> list[Rows]:
    """Every row once, in random order, in batches of `batch_size` (the last may be smaller)."""
    n_examples = len(next(iter(examples.values())))
    permutation = torch.randperm(n_examples, generator=order)
    if "length" not in examples:
        return list(permutation.to(next(iter(examples.values())).device).split(batch_size))
    length = examples["length"].cpu()
    batches = [
        batch
        for pool in permutation.split(SORTED_BATCHES * batch_size)
        for batch in pool[length[pool].argsort(stable=True)].split(batch_size)
    ]
    device = examples["length"].device
    return [batches[place].to(device) for place in torch.randperm(len(batches), generator=order)]


def evaluation_batches(examples: Examples, batch_size: int) -> list[slice | Rows]:
    """Every row once, in order, at most `batch_size` at a time; texts by length, at most `MOST_TOKENS` at a time."""
    n_examples = len(next(iter(examples.values())))
    if "length" not in examples:
        return [slice(start, start + batch_size) for start in range(0, n_examples, batch_size)]
    length, by_length = examples["length"].cpu().sort(stable=True)
    batches: list[slice | Rows] = []
    stop = n_examples
    while stop > 0:
        most = max(1, MOST_TOKENS // max(1, int(length[stop - 1])))
        start = max(0, stop - min(batch_size, most))
        batches.append(by_length[start:stop].to(examples["length"].device))
        stop = start
    return batches
