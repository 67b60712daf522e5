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
from hwsweep.figures.attention import AttentionInfo, select_texts
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


def test_of_a_text_that_is_too_long_the_model_reads_the_beginning():
    info = attention.info(trained(texts([30], [0], key=True)), n_texts=1, max_tokens=5)
    assert info.words.tolist() == [["w2", "w3", "w4", "w5", "w6"]]
    assert info.weights.shape[-2:] == (5, 5)
    assert info.key.tolist() == [[False, True, False, False, False]]


def test_the_prediction_is_that_of_the_whole_text_where_the_map_shows_its_beginning():
    class ClassByLastWord(Planted):
        def outputs(self, batch):
            last = batch["token"].gather(1, batch["length"].long()[:, None] - 1)
            return super().outputs({"token": last})

    run = trained(texts([30], [0]))._replace(model=ClassByLastWord().eval())  # the last id is 31, the fifth is 6
    (caption,) = attention.info(run, n_texts=1, max_tokens=5).captions
    assert caption == "World, predicted Sports (probability 80%); first 5 of 30 words"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_rows_of_real_words_sum_to_one_over_real_words(pooling):
    settings = {"width": 6, "heads": 3, "layers": 2, "hidden": 5, "dropout": 0.3, "positions": "learned", "norm": "pre"}
    lexicon = Lexicon(("<pad>", "<unk>", *"abcdefghijk"), ("x", "y"), 11)
    model = Transformer(
        lexicon.shapes,
        embedding=lambda n, width: TokenEmbedding(n, width, dim=None, frozen=False, sparse=False),
        pooling=pooling,
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
