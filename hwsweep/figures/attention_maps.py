"""The attention of a model in a few test texts, as the figures `attention` and `attention_heads` show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64
from matplotlib import colormaps

from hwsweep.figures.drawing import BLACK, VERMILLION, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from hwsweep.data import Examples, Lexicon
    from hwsweep.figures import Trained
    from hwsweep.models import Batch
    from hwsweep.models.transformer import Transformer

SHADES = colormaps["Blues"].resampled(64)
"""Of a map: white is no attention. Few enough that a PNG keeps each of them."""


class AttentionInfo(NamedTuple):
    """A few test texts, classes in turn; what lies beyond a text's own words is empty or 0."""

    title: str
    about: np.ndarray
    """Of each text its class, what the model takes it for, and how sure it is."""
    words: np.ndarray
    """(texts, longest): what the model itself puts before a text, and the text's words."""
    n_words: Int64[np.ndarray, " texts"]
    key: Bool[np.ndarray, "texts longest"]
    """Words that decide the class, where that is known."""
    weights: Float32[np.ndarray, "texts layers heads longest longest"]
    """Share of attention, 0 to 1: a row is a word that looks and sums to 1, a column a word that is looked at."""


def read(trained: Trained, n_texts: int, max_tokens: int) -> AttentionInfo:
    """Attention in at most `n_texts` test texts, the same ones in every run on the same tokens.

    Args:
        max_tokens: of a longer text the model reads the beginning; texts that fit are taken first.

    Raises:
        ValueError: the run has no lexicon: it did not read texts.
    """
    import torch

    if trained.lexicon is None:
        raise ValueError("attention maps need words, but this run has no texts; leave out its attention figures")
    model = cast("Transformer", trained.model)
    rows = chosen_texts(trained.test, n_texts, max_tokens)
    few = {name: values[rows] for name, values in trained.test.items()}
    few |= {name: few[name][:, :max_tokens] for name in ("token", "key") if name in few}
    few["length"] = few["length"].clamp(max=max_tokens)
    with torch.inference_mode():
        batch = {name: values.to(next(model.parameters()).device) for name, values in few.items()}
        weights, probability = model.attention(batch).float().cpu(), model.outputs(batch)["probability"].cpu()
    longest, n_prefix = weights.shape[-1], len(model.prefix)
    key = np.zeros((len(rows), longest), dtype=bool)
    if "key" in few:
        key[:, n_prefix:] = few["key"].numpy()[:, : longest - n_prefix]
    return AttentionInfo(
        title=trained.title,
        about=np.array(_about(few["label"].tolist(), probability.numpy(), trained.lexicon)),
        words=_words(few, model.prefix, trained.lexicon, longest),
        n_words=few["length"].numpy().astype(np.int64) + n_prefix,
        key=key,
        weights=weights.numpy(),
    )


def chosen_texts(test: Examples, n_texts: int, max_tokens: int) -> Int64[np.ndarray, " chosen"]:
    """Rows of a text of each class, another of each class, and so on: first texts of moderate length.

    Moderate is above half of `max_tokens`, and not above it; then shorter ones follow, then longer ones.
    """
    label, length = test["label"].numpy(), test["length"].numpy()
    rank = np.select([length > max_tokens, 2 * length <= max_tokens], [2, 1], 0)
    by_class = np.lexsort((np.arange(len(label)), rank, label))
    turn = np.arange(len(label)) - np.searchsorted(label[by_class], label[by_class])
    return by_class[np.lexsort((label[by_class], turn))][:n_texts]


def panels(place: Axes, rows: int, columns: int, n_panels: int) -> list[Axes]:
    """So many axes in a grid that takes the place of one panel: how many texts there are only the data tells."""
    spec = place.get_subplotspec()
    if spec is None:
        raise ValueError("a grid of panels takes the place of axes that lie in a grid, as `Figure.subplots` makes them")
    figure, cells = place.figure, spec.subgridspec(rows, columns)
    place.remove()
    return [figure.add_subplot(cells[at // columns, at % columns]) for at in range(n_panels)]


def explain(info: AttentionInfo, what: str, beside: Axes) -> None:
    """Above all panels what the maps show, and beside a panel the scale that all have in common."""
    red = "; red words decide the class" if info.key.any() else ""
    said = f"{info.title}: {what}\na row is a word that looks, a column a word looked at{red}"
    beside.figure.suptitle(said, fontsize=9)
    bar = beside.inset_axes((1.02, 0, 0.02, 1))
    beside.figure.colorbar(beside.images[0], cax=bar, label="share of attention (rows sum to 1)")


def mark_key(labels: Sequence[Text], key: Bool[np.ndarray, " n"]) -> None:
    """Colour the words that decide the class."""
    for label, decides in zip(labels, key, strict=True):
        label.set_color(VERMILLION if decides else BLACK)


def _words(few: Batch, prefix: tuple[str, ...], lexicon: Lexicon, longest: int) -> np.ndarray:
    rows = []
    for tokens, length in zip(few["token"].tolist(), few["length"].tolist(), strict=True):
        own = [*prefix, *(plain(lexicon.words[token]) for token in tokens[:length])]
        rows.append(own + [""] * (longest - len(own)))
    return np.array(rows)


def _about(labels: list[int], probability: Float32[np.ndarray, "n classes"], lexicon: Lexicon) -> list[str]:
    classes = [plain(name) for name in lexicon.classes]
    return [
        f"{classes[label]}, taken for {classes[at.argmax()]} ({at.max():.0%} sure)"
        for label, at in zip(labels, probability, strict=True)
    ]
