"""How much each word of a few test texts counts for the predicted class, by every method."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64
from matplotlib.colors import LinearSegmentedColormap

from hwsweep.figures.attention import describe_prediction, select_texts, split_panel, window
from hwsweep.figures.drawing import BLACK, BLUE, ORANGE, RED, word_label
from hwsweep.figures.examples import to_device_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.data import Examples, Lexicon
    from hwsweep.figures import Trained
    from hwsweep.models.transformer import Transformer

PANELS = 1
COLOURS = LinearSegmentedColormap.from_list("attribution", [ORANGE, "#FFFFFF", BLUE])
ROW_HEIGHT = 0.033
"""Of a row of words, by the width of the figure."""
_LARGEST = 8
_POINTS = 700
"""Font size of words that are one character wide, if they filled the width of the figure."""


class AttributionsInfo(NamedTuple):
    """A few test texts, one of each class in turn; entries beyond the words of a text are empty or 0."""

    title: str
    captions: np.ndarray
    """Per text its class, and the class predicted from the whole text with its probability."""
    words: np.ndarray
    """(texts, longest): the words that are shown."""
    n_words: Int64[np.ndarray, " texts"]
    key: Bool[np.ndarray, "texts longest"]
    """Words that decide the class, if the data set knows them."""
    methods: np.ndarray
    """Names of the methods."""
    scores: Float32[np.ndarray, "texts methods longest"]
    """Of the word, divided by the largest absolute score that the method gives in the whole text: -1 to 1."""


def info(trained: Trained, n_texts: int, max_tokens: int, steps: int) -> AttributionsInfo:
    """Attributions in at most `n_texts` test texts, the same texts in every run with the same tokens.

    Args:
        max_tokens: words that are shown of a longer text; shorter texts are preferred.
        steps: points of integrated gradients.

    Raises:
        ValueError: the run has no lexicon, because it did not read texts.
    """
    from hwsweep.analysis.attributions.methods import methods

    if trained.lexicon is None:
        raise ValueError("attributions need words, but this run has no texts; leave out figures.attributions")
    model = cast("Transformer", trained.model)
    rows = select_texts(trained.test, n_texts, max_tokens).tolist()
    excerpts = [_excerpt(model, trained.test, row, max_tokens, steps, trained.lexicon) for row in rows]
    longest = max(len(excerpt.words) for excerpt in excerpts)
    beyond = [(0, longest - len(excerpt.words)) for excerpt in excerpts]
    return AttributionsInfo(
        title=trained.title,
        captions=np.array([excerpt.caption for excerpt in excerpts]),
        words=np.array([excerpt.words + [""] * (longest - len(excerpt.words)) for excerpt in excerpts]),
        n_words=np.array([len(excerpt.words) for excerpt in excerpts]),
        key=np.array([np.pad(excerpt.key, more) for excerpt, more in zip(excerpts, beyond, strict=True)]),
        methods=np.array([name.replace("_", " ") for name in methods(steps)]),
        scores=np.array(
            [np.pad(excerpt.scores, ((0, 0), more)) for excerpt, more in zip(excerpts, beyond, strict=True)]
        ),
    )


def draw(info: AttributionsInfo, axes: Sequence[Axes]) -> None:
    """Per text its words, then the words once per method, on a colour that shows their score."""
    panels = split_panel(axes[0], len(info.words), 1)
    for axis, caption, words, n_words, key, scores in zip(
        panels, info.captions, info.words, info.n_words, info.key, info.scores, strict=True
    ):
        axis.set_title(caption, fontsize=8, loc="left")
        _draw_text(axis, words[:n_words], key[:n_words], scores[:, :n_words])
        axis.set_yticks(range(len(info.methods) + 1), ["", *info.methods], fontsize=7)
    red = "; red words decide the class" if info.key.any() else ""
    colours = "blue: the word counts for the predicted class, orange: against it"
    scale = f"each row relative to its largest score{red}"  # a title wider than the page is drawn three times
    panels[0].figure.suptitle(f"{info.title}: attributions\n{colours}\n{scale}", fontsize=9)


def _draw_text(
    axis: Axes, words: np.ndarray, key: Bool[np.ndarray, " n"], scores: Float32[np.ndarray, "methods n"]
) -> None:
    """The words from left to right, each as wide as it is long, in rows; the first row has no colours."""
    widths = np.array([_width(word) + 1 for word in words])
    ends = np.cumsum(widths)
    size = min(_LARGEST, _POINTS / float(ends[-1]))
    for row, of_method in enumerate([np.zeros(len(words)), *scores]):
        cells = list(zip(ends - widths, widths, strict=True))
        axis.broken_barh(cells, (row - 0.45, 0.9), facecolors=COLOURS((1 + of_method) / 2))
        for word, middle, is_key, score in zip(words, ends - widths / 2, key, of_method, strict=True):
            colour = RED if row == 0 and is_key else "white" if score > 0.6 else BLACK
            text = axis.text(middle, row, word, ha="center", va="center", fontsize=size, color=colour)
            text.set_in_layout(False)  # within its cell; a layout of so many texts takes a second
    axis.set(xlim=(0, ends[-1]), ylim=(len(scores) + 0.5, -0.5), xticks=[])
    axis.set_box_aspect(ROW_HEIGHT * (len(scores) + 1))
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)


def _width(word: str) -> int:
    """Characters of the word; a Chinese one counts twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in word)


class _Excerpt(NamedTuple):
    """The part of a text that is shown; the fields are those of `AttributionsInfo`."""

    caption: str
    words: list[str]
    key: Bool[np.ndarray, " t"]
    scores: Float32[np.ndarray, "methods t"]


def _excerpt(model: Transformer, test: Examples, row: int, max_tokens: int, steps: int, lexicon: Lexicon) -> _Excerpt:
    """All methods read the whole text; `max_tokens` of its words are shown, around the one attended to most."""
    import torch

    from hwsweep.analysis.attributions import predict
    from hwsweep.analysis.attributions.methods import methods

    length = int(test["length"][row])
    text = {name: values[row : row + 1] for name, values in test.items()}
    text = to_device_of(model, {name: v[:, :length] if v.ndim > 1 else v for name, v in text.items()})
    label = predict(model, text)
    with torch.no_grad():
        probability = model.outputs(text)["probability"][0].float().cpu().numpy()
    scores = np.stack([method(model, text, label)[0].float().cpu().numpy() for method in methods(steps).values()])
    start = window(scores[0], max_tokens)
    shown = slice(start, start + max_tokens)
    caption = describe_prediction(lexicon, int(text["label"]), probability)
    if length > max_tokens:
        caption += f"; words {start + 1:,} to {start + max_tokens:,} of {length:,}"
    key = text["key"][0].cpu().numpy() if "key" in text else np.zeros(length, dtype=bool)
    words = [word_label(lexicon.words[token]) for token in text["token"][0, shown].tolist()]
    largest = np.abs(scores).max(1, keepdims=True)
    scaled = np.divide(scores, largest, out=np.zeros_like(scores), where=largest > 0)
    return _Excerpt(caption, words, key[shown], scaled[:, shown])
