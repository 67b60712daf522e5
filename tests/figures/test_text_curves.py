from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_texts import Planted, texts

from hwsweep.figures import Trained, drawing, text_curves

ROWS = [
    {"epoch": 1.0, "train/loss": 1.3, "train/error": 0.7, "valid/loss": 1.2, "valid/error": 0.6, "train/lr": 1e-4},
    {"epoch": 2.0, "train/loss": 0.9, "train/error": 0.4, "valid/loss": 0.8, "valid/error": 0.3, "train/lr": 2e-4},
]
SEEN = [row | {"valid/key_attention": share} for row, share in zip(ROWS, (0.2, 0.5), strict=True)]


def drawn(info):
    axes = list(Figure().subplots(1, text_curves.PANELS))
    with drawing.style():
        text_curves.draw(info, axes)
    return axes


def lines(axis):
    return {line.get_label(): line.get_ydata() for line in axis.lines}


def test_without_key_words_the_third_panel_is_the_learning_rate():
    info = text_curves.info(Trained(None, {}, ROWS, "3 heads"))
    assert info.quantities.tolist() == ["loss", "error", "lr"]
    np.testing.assert_array_equal(info.train, [[1.3, 0.9], [0.7, 0.4], [1e-4, 2e-4]])
    np.testing.assert_array_equal(info.valid, [[1.2, 0.8], [0.6, 0.3], [np.nan, np.nan]])
    axes = drawn(info)
    assert [sorted(lines(axis)) for axis in axes] == [["train", "valid"], ["train", "valid"], ["train"]]
    assert axes[2].get_ylabel() == "learning rate"


@pytest.mark.parametrize(("prefix", "uniform"), [((), (1 / 2 + 1 / 4) / 2), (("<cls>",), (1 / 3 + 1 / 5) / 2)])
def test_with_key_words_it_is_the_attention_on_them_and_uniform_attention(prefix, uniform):
    info = text_curves.info(Trained(Planted(prefix), texts([2, 4], [0, 1], key=True), SEEN, "3 heads"))
    assert info.quantities.tolist() == ["loss", "error", "key_attention"]
    assert info.uniform == pytest.approx(uniform)
    shown = lines(drawn(info)[2])
    assert shown["valid"].tolist() == [0.2, 0.5]
    assert list(shown["uniform attention"]) == [pytest.approx(uniform)] * 2
    assert "train" not in shown


def test_curves_come_back_from_their_file_and_are_drawn(tmp_path):
    info = text_curves.info(Trained(None, {}, ROWS[:1], "3 heads"))
    drawing.store(info, tmp_path / "text_curves.npz")
    drawing.save(
        text_curves, drawing.load(text_curves.TextCurvesInfo, tmp_path / "text_curves.npz"), tmp_path / "a.png"
    )
