"""Attention in a few test texts, averaged over layers and heads, with the words on both axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast
from unicodedata import bidirectional

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from matplotlib import colormaps

from hwsweep.figures.drawing import BLACK, RED, word_label
from hwsweep.figures.examples import rows_by_turn, to_device_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.data import Examples, Lexicon
    from hwsweep.figures import Trained
    from hwsweep.models.transformer import Transformer

PANELS = 1
COLUMNS = 2
"""Texts side by side."""
LEFT_TO_RIGHT = "\u200e"
"""Unicode's mark without width: without it the first letter decides in which direction a line is written."""
SHADES = colormaps["Blues"].resampled(64)
"""Colours of a map, where white is no attention; few enough that a PNG stores each of them."""


class AttentionInfo(NamedTuple):
    """A few test texts, one of each class in turn; entries beyond the words of a text are empty or 0."""

    title: str
    captions: np.ndarray
    """Per text its class, and the class predicted from the whole text with its probability."""
    words: np.ndarray
    """(texts, longest): the tokens that the model puts before a text, then words of the text; … where it goes on."""
    n_words: Int64[np.ndarray, " texts"]
    key: Bool[np.ndarray, "texts longest"]
    """Words that decide the class, if the data set knows them."""
    weights: Float32[np.ndarray, "texts layers heads longest longest"]
    """Share of attention, 0 to 1: a row is the word that attends, a column the word attended to.

    A row sums to 1 over the whole text, and to less where only a part of the text is shown.
    """
    head_loss: Float64[np.ndarray, "layers heads"]
    """Accuracy that the run loses without a head, -1 to 1; NaN where its analysis has not measured it."""


def info(trained: Trained, n_texts: int, max_tokens: int) -> AttentionInfo:
    """Attention in at most `n_texts` test texts, the same texts in every run with the same tokens.

    Args:
        max_tokens: words of a longer text that a map shows, of attention within the whole text; shorter texts are
            preferred.

    Raises:
        ValueError: the run has no lexicon, because it did not read texts.
    """
    if trained.lexicon is None:
        raise ValueError("attention maps need words, but this run has no texts; leave out its attention figures")
    model = cast("Transformer", trained.model)
    rows = select_texts(trained.test, n_texts, max_tokens)
    excerpts = [_excerpt(model, trained.test, row, max_tokens, trained.lexicon) for row in rows.tolist()]
    longest = max(len(excerpt.words) for excerpt in excerpts)
    return AttentionInfo(
        title=trained.title,
        captions=np.array([excerpt.caption for excerpt in excerpts]),
        words=np.array([excerpt.words + [""] * (longest - len(excerpt.words)) for excerpt in excerpts]),
        n_words=np.array([len(excerpt.words) for excerpt in excerpts]),
        key=np.array([np.pad(excerpt.key, (0, longest - len(excerpt.key))) for excerpt in excerpts]),
        weights=np.stack([_pad_maps(excerpt.weights, longest) for excerpt in excerpts]),
        head_loss=trained.arrays.get("head_loss", np.full(excerpts[0].weights.shape[:2], np.nan)),
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

    Texts longer than half of `max_tokens` come first, then shorter ones, then those longer than `max_tokens`, of which
    the shortest comes first: a map of attention has the square of a text's length.
    """
    length = test["length"].numpy()
    rank = np.select([length > max_tokens, 2 * length <= max_tokens], [length, 1], 0)
    return rows_by_turn(test["label"].numpy(), rank)[:n_texts]


def window(scores: Float32[np.ndarray, " t"], n_words: int) -> int:
    """The first of `n_words` consecutive words, or of all, with the highest score as near the middle as can be."""
    return int(np.clip(scores.argmax() - n_words // 2, 0, max(0, len(scores) - n_words)))


def describe_prediction(lexicon: Lexicon, label: int, probability: Float32[np.ndarray, " classes"]) -> str:
    """ "World, predicted Sports (probability 80%)"; from left to right also with Arabic or Hebrew names."""
    classes = [word_label(name) for name in lexicon.classes]
    caption = f"{classes[label]}, predicted {classes[probability.argmax()]} (probability {probability.max():.0%})"
    is_turned = any(bidirectional(character) in ("R", "AL") for character in caption)
    return f"{LEFT_TO_RIGHT}{caption}" if is_turned else caption


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
    beside.figure.colorbar(beside.images[0], cax=bar, label="share of attention (rows of a whole text sum to 1)")


class _Excerpt(NamedTuple):
    """The part of a text that is shown; the fields are those of `AttentionInfo`."""

    caption: str
    words: list[str]
    key: Bool[np.ndarray, " t"]
    weights: Float32[np.ndarray, "layers heads t t"]


def _excerpt(model: Transformer, test: Examples, row: int, max_tokens: int, lexicon: Lexicon) -> _Excerpt:
    """The model reads the whole text; `max_tokens` of its words are shown, around the one that is attended to most."""
    import torch

    text = to_device_of(model, {name: values[row : row + 1] for name, values in test.items()})
    n_prefix, length = len(model.prefix), int(text["length"])
    with torch.inference_mode():
        weights = model.attention(text)[0].float().cpu().numpy()
        probability = model.outputs(text)["probability"][0].cpu().numpy()
    start = window(weights.mean((0, 1, 2))[n_prefix:], max_tokens)
    stop = min(length, start + max_tokens)
    words = [word_label(lexicon.words[token]) for token in text["token"][0, start:stop].tolist()]
    caption = describe_prediction(lexicon, int(text["label"]), probability)
    if length > max_tokens:
        words = ["… " * (start > 0) + words[0], *words[1:]]
        words = [*words[:-1], words[-1] + " …" * (stop < length)]
        caption += f"\nwords {start + 1:,} to {stop:,} of {length:,}, around the one that is attended to most"
    shown = np.r_[:n_prefix, n_prefix + start : n_prefix + stop]
    key = np.zeros(n_prefix + length, dtype=bool)
    if "key" in text:
        key[n_prefix:] = text["key"][0, :length].cpu().numpy()
    return _Excerpt(caption, [*model.prefix, *words], key[shown], weights[:, :, shown[:, None], shown])


def _pad_maps(
    weights: Float32[np.ndarray, "layers heads t t"], longest: int
) -> Float32[np.ndarray, "layers heads n n"]:
    beyond = (0, longest - weights.shape[-1])
    return np.pad(weights, ((0, 0), (0, 0), beyond, beyond))
