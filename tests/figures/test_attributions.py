"""The words of a text once per method: which words, which colours, whose prediction."""

from __future__ import annotations

import numpy as np
import pytest
import small_texts
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hwsweep.analysis.attributions import predict
from hwsweep.analysis.attributions.leave_one_out import leave_one_out
from hwsweep.figures import Trained, attributions, drawing
from hwsweep.figures.attributions import AttributionsInfo

METHODS = ["attention", "rollout", "gradient x input", "integrated gradients", "leave one out"]


def made(lengths: tuple[int, ...] = (7, 3), max_tokens: int = 8, key: bool = True) -> AttributionsInfo:
    test = small_texts.batch(lengths)
    test["label"] = torch.arange(len(lengths)) % 3
    if not key:
        del test["key"]
    trained = Trained(small_texts.model(), test, [], "3 heads", small_texts.LEXICON)
    return attributions.info(trained, n_texts=4, max_tokens=max_tokens, steps=2)


def test_scores_are_those_of_the_method_by_the_largest_of_the_text() -> None:
    found, transformer, texts = made(), small_texts.model(), small_texts.batch((7, 3))
    effect = leave_one_out(transformer, texts, predict(transformer, texts)).numpy()
    expected = effect / np.abs(effect).max(1, keepdims=True)
    np.testing.assert_allclose(found.scores[:, METHODS.index("leave one out")], expected[:, :7], atol=1e-5)
    np.testing.assert_allclose(np.abs(found.scores).max(2), 1, rtol=1e-6)
    assert found.methods.tolist() == METHODS
    assert found.n_words.tolist() == [7, 3]
    assert not found.scores[1, :, 3:].any()


def test_a_text_is_described_by_its_class_and_the_prediction_of_the_run() -> None:
    probability = small_texts.model().outputs(small_texts.batch((7, 3)))["probability"].detach()
    for caption, own, of_text in zip(made().captions, "xy", probability, strict=True):
        best = int(of_text.argmax())
        assert caption == f"{own}, predicted {'xyz'[best]} (probability {float(of_text[best]):.0%})"


def test_of_a_long_text_the_words_around_the_most_attended_one_are_shown() -> None:
    (whole,), found = made((7,)).scores, made((7,), max_tokens=3)
    start = int(np.clip(whole[0].argmax() - 1, 0, 4))
    np.testing.assert_array_equal(found.scores[0], whole[:, start : start + 3])
    assert found.captions[0].endswith(f"; words {start + 1} to {start + 3} of 7")
    assert found.words[0].tolist() == made((7,)).words[0, start : start + 3].tolist()


@pytest.mark.parametrize("key", [True, False])
def test_every_word_is_drawn_once_per_method_on_the_colour_of_its_score(key: bool) -> None:
    info, figure = made(key=key), Figure()
    with drawing.style():
        attributions.draw(info, [figure.subplots()])
    for axis, n_words, words, scores in zip(figure.axes, info.n_words, info.words, info.scores, strict=True):
        shown = [text.get_text() for text in axis.texts]
        assert shown == words[:n_words].tolist() * (1 + len(METHODS))
        red = [to_hex(text.get_color()).upper() == drawing.RED for text in axis.texts]
        assert red == [key and at == 1 for at in range(n_words)] + [False] * (n_words * len(METHODS))
        for row, of_method in zip(axis.collections[1:], scores[:, :n_words], strict=True):
            strongest = int(np.abs(of_method).argmax())
            expected = drawing.BLUE if of_method[strongest] > 0 else drawing.ORANGE
            assert to_hex(row.get_facecolors()[strongest]).upper() == expected
    assert ("red words" in figure.get_suptitle()) == key


def test_the_figure_is_kept_and_drawn_again(tmp_path) -> None:
    drawing.store(made(), tmp_path / "attributions.npz")
    back = drawing.load(AttributionsInfo, tmp_path / "attributions.npz")
    drawing.save(attributions, back, tmp_path / "attributions.png")
    assert (tmp_path / "attributions.png").stat().st_size > 1000


def test_a_run_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="has no texts"):
        attributions.info(Trained(torch.nn.Identity(), {}, [], ""), n_texts=1, max_tokens=8, steps=2)
