"""Attention in a few test texts, averaged over layers and heads, with the words on both axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64
from matplotlib import colormaps

from hwsweep.figures.drawing import BLACK, RED, word_label
from hwsweep.figures.examples import rows_by_turn, to_device_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.data import Examples, Lexicon
    from hwsweep.figures import Trained
    from hwsweep.models import Batch
    from hwsweep.models.transformer import Transformer

PANELS = 1
COLUMNS = 2
"""Texts side by side."""
SHADES = colormaps["Blues"].resampled(64)
"""Colours of a map, where white is no attention; few enough that a PNG stores each of them."""


class AttentionInfo(NamedTuple):
    """A few test texts, one of each class in turn; entries beyond the words of a text are empty or 0."""

    title: str
    captions: np.ndarray
    """Per text its class, and the class predicted from the whole text with its probability."""
    words: np.ndarray
    """(texts, longest): the tokens that the model puts before a text, then the words of the text."""
    n_words: Int64[np.ndarray, " texts"]
    key: Bool[np.ndarray, "texts longest"]
    """Words that decide the class, if the data set knows them."""
    weights: Float32[np.ndarray, "texts layers heads longest longest"]
    """Share of attention, 0 to 1: a row is the word that attends and sums to 1, a column the word attended to."""


def info(trained: Trained, n_texts: int, max_tokens: int) -> AttentionInfo:
    """Attention in at most `n_texts` test texts, the same texts in every run with the same tokens.

    Args:
        max_tokens: a map shows the attention in the beginning of a longer text; shorter texts are preferred.

    Raises:
        ValueError: the run has no lexicon, because it did not read texts.
    """
    import torch

    if trained.lexicon is None:
        raise ValueError("attention maps need words, but this run has no texts; leave out its attention figures")
    model = cast("Transformer", trained.model)
    rows = select_texts(trained.test, n_texts, max_tokens)
    whole = {name: values[rows] for name, values in trained.test.items()}
    few = {name: values[:, :max_tokens] if values.ndim > 1 else values for name, values in whole.items()}
    few["length"] = few["length"].clamp(max=max_tokens)
    with torch.inference_mode():
        weights = model.attention(to_device_of(model, few)).float().cpu()
        probability = model.outputs(to_device_of(model, whole))["probability"].cpu()
    captions = _captions(whole["label"].tolist(), probability.numpy(), trained.lexicon)
    longest, n_prefix = weights.shape[-1], len(model.prefix)
    key = few["key"].numpy() if "key" in few else np.zeros((len(rows), longest), dtype=bool)
    return AttentionInfo(
        title=trained.title,
        captions=np.array(
            [
                f"{caption}; first {max_tokens} of {length} words" if length > max_tokens else caption
                for caption, length in zip(captions, whole["length"].tolist(), strict=True)
            ]
        ),
        words=_words(few, model.prefix, trained.lexicon, longest),
        n_words=few["length"].numpy().astype(np.int64) + n_prefix,
        key=np.pad(key, ((0, 0), (n_prefix, 0)))[:, :longest],
        weights=weights.numpy(),
    )


def draw(info: AttentionInfo, axes: Sequence[Axes]) -> None:
    """A map per text: a row per attending word, a column per word attended to, with one colour scale."""
    n_texts = len(info.weights)
    mean = info.weights.mean((1, 2))
    maps = split_panel(axes[0], n_texts, min(COLUMNS, n_texts))
    for axis, caption, words, n_words, key, weights in zip(
        maps, info.captions, info.words, info.n_words, info.key, mean, strict=True
    ):
        axis.imshow(weights[:n_words, :n_words], cmap=SHADES, vmin=0, vmax=float(mean.max()))
        axis.grid(False)
        axis.set_title(caption, fontsize=8)
        name_cells(axis, np.arange(n_words), np.arange(n_words), words[:n_words], key[:n_words], 7)
    explain(info, "attention, mean of all layers and heads", maps[min(COLUMNS, n_texts) - 1])


def select_texts(test: Examples, n_texts: int, max_tokens: int) -> Int64[np.ndarray, " chosen"]:
    """Rows of one text of each class, then another of each class, and so on.

    Texts longer than half of `max_tokens` come first, then shorter ones, then those longer than `max_tokens`.
    """
    length = test["length"].numpy()
    rank = np.select([length > max_tokens, 2 * length <= max_tokens], [2, 1], 0)
    return rows_by_turn(test["label"].numpy(), rank)[:n_texts]


def split_panel(panel: Axes, n_parts: int, columns: int) -> list[Axes]:
    """`n_parts` axes in a grid that replaces one panel: only the data tells how many there are."""
    spec = panel.get_subplotspec()
    assert spec is not None
    figure, cells = panel.figure, spec.subgridspec(math.ceil(n_parts / columns), columns)
    panel.remove()
    return [figure.add_subplot(cells[divmod(part, columns)]) for part in range(n_parts)]


def name_cells(
    axis: Axes, columns: np.ndarray, rows: np.ndarray, words: np.ndarray, key: Bool[np.ndarray, " n"], size: float
) -> None:
    """Write words beside rows and columns, over and over if there are more cells; key words are red."""
    for side, ticks, rotation in ((axis.xaxis, columns, 90), (axis.yaxis, rows, 0)):
        repeats = len(ticks) // len(words)
        side.set_ticks(ticks, np.tile(words, repeats), rotation=rotation, fontsize=size)
        for label, decides in zip(side.get_ticklabels(), np.tile(key, repeats), strict=True):
            label.set_color(RED if decides else BLACK)


def explain(info: AttentionInfo, quantity: str, beside: Axes) -> None:
    """Describe the maps above all panels, and draw their common colour scale beside one panel."""
    red = "; red words decide the class" if info.key.any() else ""
    rows = "row: the word that attends, column: the word attended to"
    beside.figure.suptitle(f"{info.title}: {quantity}\n{rows}{red}", fontsize=9)
    bar = beside.inset_axes((1.02, 0, 0.02, 1))
    beside.figure.colorbar(beside.images[0], cax=bar, label="share of attention (rows sum to 1)")


def _words(few: Batch, prefix: tuple[str, ...], lexicon: Lexicon, longest: int) -> np.ndarray:
    rows = []
    for tokens, length in zip(few["token"].tolist(), few["length"].tolist(), strict=True):
        own = [*prefix, *(word_label(lexicon.words[token]) for token in tokens[:length])]
        rows.append(own + [""] * (longest - len(own)))
    return np.array(rows)


def _captions(labels: list[int], probability: Float32[np.ndarray, "n classes"], lexicon: Lexicon) -> list[str]:
    classes = [word_label(name) for name in lexicon.classes]
    return [
        f"{classes[label]}, predicted {classes[of_text.argmax()]} (probability {of_text.max():.0%})"
        for label, of_text in zip(labels, probability, strict=True)
    ]
