from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_texts import texts, trained

from hwsweep.figures import attention_heads, drawing


def drawn(info):
    figure = Figure()
    with drawing.style():
        attention_heads.draw(info, [figure.subplots()])
    return [axis for axis in figure.axes if axis.images]


def test_maps_fill_rows_and_each_layer_begins_a_new_one():
    weights = np.arange(2 * 3, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((1, 1, 2, 2), np.float32)
    picture = attention_heads.tile_maps(weights, across=2)
    assert picture.shape == (4 * 2 + 3 * attention_heads.GAP, 2 * 2 + attention_heads.GAP)
    corners = picture[:: 2 + attention_heads.GAP, :: 2 + attention_heads.GAP]
    np.testing.assert_array_equal(corners, [[0, 1], [2, np.nan], [3, 4], [5, np.nan]])
    assert np.isfinite(picture).sum() == 2 * 3 * 4


@pytest.mark.parametrize("across", [2, 5])
def test_every_map_stands_under_its_name_beside_its_words(across, monkeypatch):
    monkeypatch.setattr(attention_heads, "ACROSS", across)
    (axis,) = drawn(attention_heads.info(trained(texts([4], [0])), n_texts=1, max_tokens=8))
    picture = axis.images[0].get_array().filled(np.nan)
    rows, columns = (
        {round(place): label.get_text() for place, label in zip(ticks, labels, strict=True)}
        for ticks, labels in (
            (axis.get_yticks(), axis.get_yticklabels()),
            (axis.get_xticks(), axis.get_xticklabels()),
        )
    )
    names = {text.get_text(): text.get_position() for text in axis.texts}
    assert len(names) == 6
    for layer in range(2):
        for head in range(3):
            left, top = (round(place + 0.5) for place in names[f"layer {layer + 1}, head {head + 1}"])
            own = np.zeros((4, 4))
            own[:, layer + head] = 1  # every word looks at word l + h
            np.testing.assert_array_equal(picture[top : top + 4, left : left + 4], own)
            assert [rows[top + at] for at in range(4)] == ["w2", "w3", "w4", "w5"]
            assert [columns[left + at] for at in range(4)] == ["w2", "w3", "w4", "w5"]


@pytest.mark.parametrize(("heads", "n_words"), [(1, 6), (1, 16), (3, 16), (10, 16)])
def test_what_a_text_is_about_stands_clear_of_the_names_of_its_maps(heads, n_words):
    info = attention_heads.info(trained(texts([n_words], [0])), n_texts=1, max_tokens=16)
    info = info._replace(
        weights=np.full((1, 2, heads, n_words, n_words), 1 / n_words, np.float32), head_loss=np.zeros((2, heads))
    )
    with drawing.style():
        figure = Figure(figsize=(8, 24), layout="compressed")
        attention_heads.draw(info, [figure.subplots()])
        figure.draw_without_rendering()
    (axis,) = (axis for axis in figure.axes if axis.texts)
    top = max(text.get_window_extent().y1 for text in axis.texts)
    assert top <= axis._left_title.get_window_extent().y0 < top + 30


def test_the_accuracy_that_a_run_loses_without_a_head_stands_beside_its_name():
    loss = np.array([[0.1239, 0, -0.004], [-0.0004, 1, 0.5]])
    run = trained(texts([4], [0]))._replace(arrays={"head_loss": loss})
    (axis,) = drawn(attention_heads.info(run, n_texts=1, max_tokens=8))
    assert [text.get_text() for text in axis.texts] == [
        *("layer 1, head 1: -12.4", "layer 1, head 2: +0.0", "layer 1, head 3: +0.4"),
        *("layer 2, head 1: +0.0", "layer 2, head 2: -100.0", "layer 2, head 3: -50.0"),
    ]
    assert "in points: the change of accuracy without the head alone" in axis.figure.get_suptitle()
    (axis,) = drawn(attention_heads.info(trained(texts([4], [0])), n_texts=1, max_tokens=8))
    assert axis.texts[0].get_text() == "layer 1, head 1" and "accuracy" not in axis.figure.get_suptitle()


def test_words_that_decide_are_marked_in_every_map():
    (axis,) = drawn(attention_heads.info(trained(texts([3], [0], key=True)), n_texts=1, max_tokens=8))
    marked = [label.get_text() for label in axis.get_xticklabels() if label.get_color() == drawing.RED]
    assert marked == ["w3"] * 3


def test_a_png_keeps_the_shades_of_many_heads(tmp_path):
    info = attention_heads.info(trained(texts([7, 5], [0, 1])), n_texts=2, max_tokens=8)
    noise = np.random.default_rng(0).random((2, 1, 7, *info.weights.shape[3:]), dtype=np.float32)
    info = info._replace(weights=noise, head_loss=np.full(noise.shape[1:3], -0.123))
    drawing.save(attention_heads, info, tmp_path / "heads.png")
    from PIL import Image

    with Image.open(tmp_path / "heads.png") as picture:
        assert picture.mode == "RGB"  # not reduced to a palette
        assert 900 <= picture.width <= 1600
