"""Attention in a few test texts, in every head of every layer, and the accuracy that is lost without the head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from hwsweep.figures.attention import SHADES, AttentionInfo, explain, name_cells, split_panel
from hwsweep.figures.attention import info as info  # conf names it: the same texts as in the averaged maps

PANELS = 1
ACROSS = 5
"""Largest number of heads side by side; the others follow below."""
GAP = 2
"""Cells between two maps."""
_PAGE, _LARGEST = 480, 7  # points: approximate width of the maps, and the height of a word if cells are large


def draw(info: AttentionInfo, axes: Sequence[Axes]) -> None:
    """A panel per text with a map for each head, layers from top to bottom, with one colour scale."""
    n_texts, layers, heads = info.weights.shape[:3]
    across = min(heads, ACROSS)
    down = layers * math.ceil(heads / across)
    page = split_panel(axes[0], n_texts, 1)
    for axis, caption, words, n_words, key, weights in zip(
        page, info.captions, info.words, info.n_words, info.key, info.weights, strict=True
    ):
        cells = tile_maps(weights[:, :, :n_words, :n_words], across)
        axis.imshow(cells, cmap=SHADES, vmin=0, vmax=float(info.weights.max()))
        size = min(_LARGEST, 0.9 * _PAGE / cells.shape[1])
        axis.grid(False)
        axis.spines[:].set_visible(False)
        above = size + 0.4 * _PAGE / cells.shape[1]  # height of the maps' names, see `_name_maps`
        axis.set_title(caption, fontsize=8, loc="left", pad=above + 5)
        columns, rows = _positions(across, n_words), _positions(down, n_words)
        name_cells(axis, columns, rows, words[:n_words], key[:n_words], size)
        axis.tick_params(length=0, pad=4)
        _name_maps(axis, info.head_loss, n_words, size)
    silenced = "" if np.isnan(info.head_loss).all() else "; in points: the change of accuracy without the head alone"
    explain(info, f"attention of every head{silenced}", page[0])


def tile_maps(weights: Float32[np.ndarray, "layers heads t t"], across: int) -> Float32[np.ndarray, "height width"]:
    """One picture of all heads' maps, `across` side by side; each layer begins a new row; NaN between the maps."""
    layers, heads, n_words, _ = weights.shape
    step, rows = n_words + GAP, layers * math.ceil(heads / across)
    picture = np.full((rows * step - GAP, across * step - GAP), np.nan, dtype=np.float32)
    for layer, head, top, left in _corners(layers, heads, across, n_words):
        picture[top : top + n_words, left : left + n_words] = weights[layer, head]
    return picture


def _corners(layers: int, heads: int, across: int, n_words: int) -> Iterator[tuple[int, int, int, int]]:
    """Layer, head, and the top and left cell of the head's map."""
    rows, step = math.ceil(heads / across), n_words + GAP
    for layer, head in np.ndindex(layers, heads):
        yield layer, head, (layer * rows + head // across) * step, head % across * step


def _positions(n_maps: int, n_words: int) -> Int64[np.ndarray, " words"]:
    """The cell of each word of each map along an axis."""
    return (np.arange(n_maps)[:, None] * (n_words + GAP) + np.arange(n_words)).ravel()


def _name_maps(axis: Axes, head_loss: Float64[np.ndarray, "layers heads"], n_words: int, size: float) -> None:
    """Draw a name above each map and a frame around it, because white cells have no visible edge."""
    layers, heads = head_loss.shape
    for layer, head, top, left in _corners(layers, heads, min(heads, ACROSS), n_words):
        corner, lost = (left - 0.7, top - 0.7), head_loss[layer, head]
        axis.add_patch(Rectangle(corner, n_words + 0.4, n_words + 0.4, fill=False, color="#BBBBBB", clip_on=False))
        name = f"layer {layer + 1}, head {head + 1}"
        if not np.isnan(lost):
            name += f": {round(-100 * lost, 1) + 0.0:+.1f}"
        axis.text(left - 0.5, top - 0.9, name, fontsize=size, va="bottom")
