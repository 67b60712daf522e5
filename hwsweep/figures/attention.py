"""Where each word of a few test texts looks: attention averaged over layers and heads, words on both axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwsweep.figures.attention_maps import SHADES, AttentionInfo, explain, mark_key, panels, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained

PANELS = 1
COLUMNS = 2
"""Texts side by side."""


def info(trained: Trained, n_texts: int, max_tokens: int) -> AttentionInfo:
    """Attention in a few test texts, one of each class first; of a text longer than `max_tokens` its beginning."""
    return read(trained, n_texts, max_tokens)


def draw(info: AttentionInfo, axes: Sequence[Axes]) -> None:
    """A map per text: a row per word that looks, a column per word looked at, all on one scale."""
    n_texts = len(info.weights)
    mean = info.weights.mean((1, 2))
    maps = panels(axes[0], math.ceil(n_texts / COLUMNS), min(COLUMNS, n_texts), n_texts)
    for axis, about, words, n_words, key, weights in zip(
        maps, info.about, info.words, info.n_words, info.key, mean, strict=True
    ):
        axis.imshow(weights[:n_words, :n_words], cmap=SHADES, vmin=0, vmax=float(mean.max()))
        axis.grid(False)
        axis.set_title(about, fontsize=8)
        axis.set_xticks(range(n_words), words[:n_words], rotation=90, fontsize=7)
        axis.set_yticks(range(n_words), words[:n_words], fontsize=7)
        mark_key(axis.get_xticklabels(), key[:n_words])
        mark_key(axis.get_yticklabels(), key[:n_words])
    explain(info, "attention, mean of all layers and heads", maps[min(COLUMNS, n_texts) - 1])
