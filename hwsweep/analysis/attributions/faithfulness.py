"""Faithfulness: whether the words with the highest scores are those that the model needs (DeYoung et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from hwsweep.analysis.attributions.aopc_bounds import Bounds, Search, aopc, aopc_bounds
from hwsweep.analysis.attributions.masking import masked_probabilities, masks_of_order, order_of
from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer

Scores = Sequence[Float64[np.ndarray, " _"]]
"""Per text a score for each of its words."""
ROUNDING = 1e-6
"""Bounds that are closer than this are equal: probabilities have 32 bits."""


def erasure(
    model: Transformer,
    batch: Batch,
    label: Int[Tensor, " n"],
    scores: Mapping[str, Scores],
    shares: Sequence[float],
) -> dict[str, dict[str, Float64[np.ndarray, " n"]]]:
    """`comprehensiveness` and `sufficiency` of each method, per text, from -1 to 1.

    The fall of p(label) with the highest words masked, and with all others masked: means over `shares` of the words,
    rounded up to whole words (DeYoung et al. 2020, arXiv:1911.03429, section 4.1).
    """
    measured: dict[str, dict[str, Float64[np.ndarray, " n"]]] = {"comprehensiveness": {}, "sufficiency": {}}
    for method, of_texts in scores.items():
        masks, places = [], []
        for of_text in of_texts:
            counts = np.ceil(np.round(np.array(shares) * len(of_text), 9)).astype(np.int64)
            distinct, place = np.unique(counts, return_inverse=True)
            highest = masks_of_order(order_of(of_text))[distinct]
            masks.append(np.concatenate([np.zeros((1, len(of_text)), dtype=bool), highest, ~highest]))
            places.append(place)
        values = masked_probabilities(model, batch, label, masks)
        for row, quantity in enumerate(measured):
            falls = [of_text[0] - np.split(of_text[1:], 2)[row] for of_text in values]
            measured[quantity][method] = np.array([fall[at].mean() for fall, at in zip(falls, places, strict=True)])
    return measured


def aopcs(
    model: Transformer, batch: Batch, label: Int[Tensor, " n"], scores: Mapping[str, Scores]
) -> dict[str, Float64[np.ndarray, " n"]]:
    """The AOPC of each method's order, from the highest word to the lowest, per text, from -1 to 1."""
    masks = {method: [masks_of_order(order_of(of_text)) for of_text in rows] for method, rows in scores.items()}
    values = {method: masked_probabilities(model, batch, label, rows) for method, rows in masks.items()}
    return {method: np.array([aopc(of_text) for of_text in rows]) for method, rows in values.items()}


def normalised_aopc(
    model: Transformer,
    batch: Batch,
    label: Int[Tensor, " n"],
    plain: Mapping[str, Float64[np.ndarray, " n"]],
    exact_words: int,
    beam: int,
) -> dict[str, Float64[np.ndarray, " n"]]:
    """The place of each method's AOPC between the lowest and the highest of any order, per text, 0 to 1.

    NaN for a text where all orders are alike. Where a beam finds narrower bounds than a method, its AOPC is the bound.
    """
    searches = [aopc_bounds(n_words, exact_words, beam) for n_words in batch["length"].tolist()]
    bounds = []
    for row, found in enumerate(_run(searches, model, batch, label)):
        own = [float(values[row]) for values in plain.values()]
        bounds.append((min(found.lower, *own), max(found.upper, *own)))
    lower, upper = np.array(bounds).T
    width = np.where(upper - lower > ROUNDING, upper - lower, np.nan)
    return {method: (values - lower) / width for method, values in plain.items()}


def _run(searches: Sequence[Search], model: Transformer, batch: Batch, label: Tensor) -> list[Bounds]:
    """The bounds of each text; all searches that go on share a forward pass."""
    masks = {row: next(search) for row, search in enumerate(searches)}
    bounds: dict[int, Bounds] = {}
    while masks:
        rows = torch.tensor(list(masks), device=label.device)
        texts = {name: values[rows] for name, values in batch.items()}
        values = masked_probabilities(model, texts, label[rows], list(masks.values()))
        for row, own in zip(list(masks), values, strict=True):
            try:
                masks[row] = searches[row].send(own)
            except StopIteration as end:
                bounds[row] = end.value
                del masks[row]
    return [bounds[row] for row in range(len(searches))]
