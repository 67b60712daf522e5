"""Texts with some of their tokens masked: which ones, and the probability of the class then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int64
from torch import Tensor

from hwsweep.analysis.attributions import log_probability, mask_tokens
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer

Masks = Bool[np.ndarray, "masks words"]
"""One row per variant of a text: which of its words are masked."""


def order_of(scores: Float64[np.ndarray, " words"]) -> Int64[np.ndarray, " words"]:
    """The words from the highest score to the lowest; words with equal scores in the order of the text."""
    return np.argsort(-scores, kind="stable")


def masks_of_order(order: Int64[np.ndarray, " words"]) -> Bool[np.ndarray, "n words"]:
    """Row k masks the first k words of the order, from none to all."""
    return np.argsort(order) < np.arange(len(order) + 1)[:, None]


def masked_probabilities(
    model: Transformer, batch: Batch, label: Int[Tensor, " n"], masks: Sequence[Bool[np.ndarray, "_ _"]]
) -> list[Float64[np.ndarray, " _"]]:
    """p(label) of every variant of every text, in [0, 1]; `masks` has the variants of each text."""
    device, longest = label.device, batch["token"].shape[1]
    counts = [len(of_text) for of_text in masks]
    text = torch.arange(len(masks), device=device).repeat_interleave(torch.tensor(counts, device=device))
    every = np.concatenate([np.pad(of_text, ((0, 0), (0, longest - of_text.shape[1]))) for of_text in masks])
    variants = {name: batch[name][text] for name in ("token", "length")}
    masked = mask_tokens(variants, torch.from_numpy(every).to(device))
    probability = log_probability(model, masked, label[text]).double().exp().cpu().numpy()
    return np.split(probability, np.cumsum(counts)[:-1])
