"""The averaged maps, and what both attention figures have in common: which texts, which words, which weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from planted_texts import HEADS, LAYERS, Planted, texts, trained

from hwsweep.data import Lexicon
from hwsweep.figures import Trained, attention, drawing
from hwsweep.figures.attention import AttentionInfo, describe_prediction, select_texts
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.transformer import Transformer


def drawn(info: AttentionInfo) -> list:
    figure = Figure()
    with drawing.style():
        attention.draw(info, [figure.subplots()])
    return [axis for axis in figure.axes if axis.images]


def test_classes_take_turns_and_texts_of_moderate_length_come_first():
    #  row       0  1  2  3  4  5   6  7
    lengths = [3, 9, 2, 7, 3, 30, 8, 9]
    labels = [0, 0, 1, 1, 2, 2, 0, 1]
    assert select_texts(texts(lengths, labels), 8, max_tokens=8).tolist() == [6, 3, 4, 0, 2, 5, 1, 7]
    assert select_texts(texts(lengths, labels), 2, max_tokens=8).tolist() == [6, 3]


def test_words_stand_at_their_places_behind_what_the_model_puts_before_a_text():
    info = attention.info(trained(texts([3, 2], [0, 1], key=True), prefix=("<cls>",)), n_texts=4, max_tokens=8)
    assert info.words.tolist() == [["<cls>", "w2", "w3", "w4"], ["<cls>", "w3", "w4", ""]]
    assert info.n_words.tolist() == [4, 3]
    assert info.key.tolist() == [[False, False, True, False]] * 2
    assert info.weights.shape == (2, LAYERS, HEADS, 4, 4)


def test_a_text_is_described_by_its_class_and_what_it_is_taken_for():
    info = attention.info(trained(texts([3, 2], [0, 1])), n_texts=4, max_tokens=8)  # first ids 2 and 3
    assert info.captions.tolist() == [
        "World, predicted Sci/Tech (probability 80%)",
        "Sports, predicted World (probability 80%)",
    ]
    assert info.title == "3 heads"
    assert not info.key.any()


class LooksAt(Planted):
    """Every head looks at one word of the text, counted from 0; the class comes from the last word, as in `Planted`."""

    def __init__(self, at: int, prefix: tuple[str, ...] = ()) -> None:
        super().__init__(prefix)
        self.at = at

    def attention(self, batch):
        n_words = batch["length"].long() + len(self.prefix)
        maps = torch.zeros(len(n_words), LAYERS, HEADS, int(n_words.max()), int(n_words.max()))
        for text, own in enumerate(n_words.tolist()):
            maps[text, :, :, :own, len(self.prefix) + self.at] = 0.75
            maps[text, :, :, :own, own - 1] += 0.25  # seen only by a model that reads the whole text
        return maps

    def outputs(self, batch):
        return super().outputs({"token": batch["token"].gather(1, batch["length"].long()[:, None] - 1)})


@pytest.mark.parametrize(
    ("at", "first", "shown"),
    [
        (0, 1, ["w2", "w3", "w4", "w5", "w6 …"]),
        (11, 10, ["… w11", "w12", "w13", "w14", "w15 …"]),
        (28, 26, ["… w27", "w28", "w29", "w30", "w31"]),
    ],
)
@pytest.mark.parametrize("prefix", [(), ("<cls>",)])
def test_the_model_reads_a_long_text_as_in_the_run_and_the_map_shows_it_around_what_is_attended_to_most(
    at, first, shown, prefix
):
    run = trained(texts([30], [0], key=True), prefix)._replace(model=LooksAt(at, prefix).eval())  # the last id is 31
    info = attention.info(run, n_texts=1, max_tokens=5)
    caption = f"World, predicted Sports (probability 80%)\nwords {first} to {first + 4} of 30, around the one that is"
    assert info.captions.tolist() == [f"{caption} attended to most"]
    assert info.words.tolist() == [[*prefix, *shown]]
    expected = np.zeros(5)
    expected[at + 1 - first] = 0.75
    expected[-1] += 0.25 * (first == 26)
    own = info.weights[0, :, :, :, len(prefix) :]
    np.testing.assert_array_equal(own, np.broadcast_to(expected, own.shape))
    assert info.key[0, len(prefix) :].tolist() == [False, first == 1, False, False, False]  # the second word


def test_of_texts_that_are_all_too_long_the_shortest_is_shown():
    assert select_texts(texts([30, 9, 20, 11], [0, 0, 1, 1]), 2, max_tokens=8).tolist() == [1, 3]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_rows_of_real_words_sum_to_one_over_real_words(pooling):
    settings = {"width": 6, "heads": 3, "layers": 2, "hidden": 5, "dropout": 0.3, "positions": "learned", "norm": "pre"}
    lexicon = Lexicon(("<pad>", "<unk>", *"abcdefghijk"), ("x", "y"), 11)
    model = Transformer(
        lexicon.shapes,
        embedding=lambda n, width: TokenEmbedding(n, width, dim=None, frozen=False, sparse=False),
        pooling=pooling,
        window=None,
        word_dropout=0.0,
        word_mean=False,
        **settings,
    ).eval()
    info = attention.info(Trained(model, texts([7, 3, 5], [0, 1, 1]), [], "", lexicon), n_texts=3, max_tokens=7)
    for n_words, weights in zip(info.n_words, info.weights, strict=True):
        assert n_words in {length + (pooling == "cls") for length in (7, 3, 5)}
        np.testing.assert_allclose(weights[:, :, :n_words, :n_words].sum(-1), 1, rtol=1e-5)
        assert not weights[:, :, n_words:].any()
        assert not weights[:, :, :, n_words:].any()


def test_each_map_is_the_mean_of_all_heads_with_its_own_words_on_both_axes():
    axes = drawn(attention.info(trained(texts([5, 3], [0, 1], key=True)), n_texts=2, max_tokens=8))
    # word l + h is looked at: of the six pairs (0, 1) x (0, 1, 2) one gives 0, two give 1, two 2, one 3
    np.testing.assert_allclose(axes[0].images[0].get_array(), [[1 / 6, 2 / 6, 2 / 6, 1 / 6, 0]] * 5, rtol=1e-6)
    np.testing.assert_allclose(axes[1].images[0].get_array(), [[1 / 6, 2 / 6, 3 / 6]] * 3, rtol=1e-6)
    for axis, words in zip(axes, (["w2", "w3", "w4", "w5", "w6"], ["w3", "w4", "w5"]), strict=True):
        for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
            assert [label.get_text() for label in labels] == words
            colours = [to_hex(label.get_color()).upper() for label in labels]
            assert colours == [drawing.RED if at == 1 else drawing.BLACK for at in range(len(words))]
        assert axis.images[0].get_clim() == (0, pytest.approx(1 / 2))  # one scale for all


@pytest.mark.parametrize("n_texts", [1, 3])
def test_any_number_of_texts_is_drawn_and_kept(n_texts, tmp_path):
    info = attention.info(trained(texts([5, 3, 4], [0, 1, 2])), n_texts=n_texts, max_tokens=8)
    drawing.save(attention, info, tmp_path / "attention.png")
    drawing.store(info, tmp_path / "attention.npz")
    back = drawing.load(AttentionInfo, tmp_path / "attention.npz")
    assert len(drawn(back)) == n_texts


def test_words_with_dollars_or_of_any_length_are_shown_as_they_are(tmp_path):
    words = ("<pad>", "<unk>", "$5", "a$b$", "x" * 99)
    run = trained(texts([3], [0]))._replace(lexicon=Lexicon(words, ("a$", "$b", "c"), 9))
    info = attention.info(run, n_texts=1, max_tokens=8)
    drawing.save(attention, info, tmp_path / "attention.png")
    assert info.words.tolist() == [[r"\$5", r"a\$b\$", "x" * 15 + "…"]]


def test_a_run_without_texts_is_refused():
    with pytest.raises(ValueError, match="has no texts"):
        attention.info(Trained(torch.nn.Identity(), {}, [], ""), n_texts=1, max_tokens=8)


@pytest.mark.parametrize(
    ("classes", "caption"),
    [
        (("World", "體育"), "World, predicted 體育 (probability 75%)"),
        (("World", "عربي"), "\u200eWorld, predicted عربي (probability 75%)"),  # the mark has no width
        (("עברית", "World"), "\u200eעברית, predicted World (probability 75%)"),
    ],
)
def test_a_caption_with_names_from_right_to_left_is_still_read_from_left_to_right(
    classes: tuple[str, str], caption: str
) -> None:
    lexicon = Lexicon(("<pad>", "<unk>"), classes, 3)
    assert describe_prediction(lexicon, 0, np.array([0.25, 0.75], np.float32)) == caption
