"""Where each word of a few test texts looks in every head of every layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from matplotlib.patches import Rectangle

from hwsweep.figures.attention_maps import SHADES, AttentionInfo, explain, mark_key, panels, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained

PANELS = 1
ACROSS = 5
"""Most heads side by side; the others follow below."""
GAP = 2
"""Cells between two maps."""
_PAGE, _LARGEST = 480, 7  # points: the maps' width about, and the height of a word where cells are large


def info(trained: Trained, n_texts: int, max_tokens: int) -> AttentionInfo:
    """Attention in a few test texts, one of each class first; of a text longer than `max_tokens` its beginning."""
    return read(trained, n_texts, max_tokens)


def draw(info: AttentionInfo, axes: Sequence[Axes]) -> None:
    """A panel per text with a map for each head, layers from top to bottom, all on one scale."""
    n_texts, layers, heads = info.weights.shape[:3]
    across = min(heads, ACROSS)
    down = layers * math.ceil(heads / across)
    page = panels(axes[0], n_texts, 1, n_texts)
    for axis, about, words, n_words, key, weights in zip(
        page, info.about, info.words, info.n_words, info.key, info.weights, strict=True
    ):
        cells = tiled(weights[:, :, :n_words, :n_words], across)
        axis.imshow(cells, cmap=SHADES, vmin=0, vmax=float(info.weights.max()))
        small = min(_LARGEST, 0.9 * _PAGE / cells.shape[1])
        axis.grid(False)
        axis.spines[:].set_visible(False)
        above = small + 0.4 * _PAGE / cells.shape[1]  # where the maps' names stand, see `_name_maps`
        axis.set_title(about, fontsize=8, loc="left", pad=above + 5)
        axis.set_xticks(_starts(across, n_words), np.tile(words[:n_words], across), rotation=90, fontsize=small)
        axis.set_yticks(_starts(down, n_words), np.tile(words[:n_words], down), fontsize=small)
        axis.tick_params(length=0, pad=4)
        mark_key(axis.get_xticklabels(), np.tile(key[:n_words], across))
        mark_key(axis.get_yticklabels(), np.tile(key[:n_words], down))
        _name_maps(axis, layers, heads, n_words, small)
    explain(info, "attention of every head", page[0])


def tiled(weights: Float32[np.ndarray, "layers heads t t"], across: int) -> Float32[np.ndarray, "height width"]:
    """One picture of all heads' maps, `across` side by side and each layer from a new row on; NaN in between."""
    layers, heads, n_words, _ = weights.shape
    step, rows = n_words + GAP, math.ceil(heads / across)
    picture = np.full((layers * rows * step - GAP, across * step - GAP), np.nan, dtype=np.float32)
    for layer, head in np.ndindex(layers, heads):
        top, left = (layer * rows + head // across) * step, head % across * step
        picture[top : top + n_words, left : left + n_words] = weights[layer, head]
    return picture


def _starts(n_maps: int, n_words: int) -> list[int]:
    """Where each word of each map stands along an axis."""
    return [start * (n_words + GAP) + word for start in range(n_maps) for word in range(n_words)]


def _name_maps(axis: Axes, layers: int, heads: int, n_words: int, small: float) -> None:
    """A name above each map and a frame around it, which white cells would not show."""
    across, step = min(heads, ACROSS), n_words + GAP
    rows = math.ceil(heads / across)
    for layer, head in np.ndindex(layers, heads):
        top, left = (layer * rows + head // across) * step, head % across * step
        corner = (left - 0.7, top - 0.7)
        axis.add_patch(Rectangle(corner, n_words + 0.4, n_words + 0.4, fill=False, color="#BBBBBB", clip_on=False))
        axis.text(left - 0.5, top - 0.9, f"layer {layer + 1}, head {head + 1}", fontsize=small, va="bottom")
