"""The lowest and highest AOPC that any order of a text's words has (Edin et al. 2024, arXiv:2408.08137).

A model whose probability falls by little whatever is masked has a low AOPC with every attribution. Only the place
between the bounds compares across models.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float64

from hwsweep.analysis.attributions.masking import Masks


class Bounds(NamedTuple):
    """AOPC of the worst and the best order."""

    lower: float
    upper: float


Search: TypeAlias = Generator[Masks, Float64[np.ndarray, " masks"], Bounds]
"""Yields masks of a text, is sent p(label) with each of them, and returns the bounds.

So the masks of many texts share a forward pass.
"""


def aopc(probability: Float64[np.ndarray, " n"]) -> float:
    """Area over the perturbation curve, -1 to 1: the mean fall of p(label) with the first 1, 2, ..., all words masked.

    Args:
        probability: with the first 0, 1, ..., all words of an order masked (Samek et al. 2017, arXiv:1509.06321).
    """
    return float(np.mean(probability[0] - probability[1:]))


def aopc_bounds(n_words: int, exact_words: int, beam: int) -> Search:
    """The bounds: exact up to `exact_words` words, else by a beam search, which may miss the extreme orders."""
    return _exact(n_words) if n_words <= exact_words else _beam_search(n_words, beam)


def _exact(n_words: int) -> Search:
    """Dynamic programming over all 2^words masks: the best sum of a mask is its fall plus the best without a word.

    Both are over the orders that mask exactly these words first.
    """
    has_word = (np.arange(2**n_words)[:, None] >> np.arange(n_words) & 1).astype(bool)
    values = yield has_word
    fall, size = values[0] - values, has_word.sum(1)
    best = {sign: np.zeros(len(fall)) for sign in (-1, 1)}
    for of_size in range(1, n_words + 1):
        rows = np.flatnonzero(size == of_size)
        before = (rows[:, None] ^ (1 << np.arange(n_words)))[has_word[rows]].reshape(len(rows), of_size)
        for sign, sums in best.items():
            sums[rows] = sign * fall[rows] + sums[before].max(1)
    return Bounds(*(float(sign * sums[-1]) / n_words for sign, sums in best.items()))


def _beam_search(n_words: int, beam: int) -> Search:
    """The bounds over the orders that a beam of so many masks visits, one beam for each bound."""
    beams = {sign: (np.zeros((1, n_words), dtype=bool), np.zeros(1)) for sign in (-1, 1)}
    whole = yield np.zeros((1, n_words), dtype=bool)
    for _ in range(n_words):
        longer = {sign: _one_more_word(masks, sums) for sign, (masks, sums) in beams.items()}
        values = yield np.concatenate([masks for masks, _ in longer.values()])
        of_beams = np.split(values, [len(longer[-1][0])])
        for (sign, (masks, sums)), own in zip(longer.items(), of_beams, strict=True):
            reached = sums + sign * (whole - own)
            kept = np.argsort(-reached, kind="stable")[:beam]
            beams[sign] = masks[kept], reached[kept]
    return Bounds(*(float(sign * sums.max()) / n_words for sign, (_, sums) in beams.items()))


def _one_more_word(
    masks: Bool[np.ndarray, "m words"], sums: Float64[np.ndarray, " m"]
) -> tuple[Bool[np.ndarray, "k words"], Float64[np.ndarray, " k"]]:
    """Each mask with each further word, once, and the largest of the sums that lead to it."""
    row, word = np.nonzero(~masks)
    longer = masks[row]
    longer[np.arange(len(row)), word] = True
    by_sum = np.argsort(-sums[row], kind="stable")
    _, first = np.unique(np.packbits(longer[by_sum], axis=1), axis=0, return_index=True)
    return longer[by_sum[first]], sums[row[by_sum[first]]]
