from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_texts import LEXICON

from hwsweep.figures import Trained, confusion, drawing

COUNTS = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 4.0]])
RUN = Trained(None, {}, [], "3 heads", LEXICON, {"confusion": COUNTS})


def drawn(info):
    axis = Figure().subplots()
    with drawing.style():
        confusion.draw(info, [axis])
    return axis


def test_rows_are_shares_of_the_true_class_and_a_class_without_texts_has_none():
    info = confusion.info(RUN)
    assert info.classes.tolist() == ["World", "Sports", "Sci/Tech"]
    assert info.counts.tolist() == COUNTS.tolist()
    np.testing.assert_allclose(info.share, [[3 / 4, 1 / 4, 0], [0, 0, 0], [1 / 3, 0, 2 / 3]])
    assert info.accuracy == pytest.approx(7 / 10)


def test_every_number_stands_in_its_cell_and_the_axes_name_true_and_predicted():
    axis = drawn(confusion.info(RUN))
    numbers = {text.get_position(): text.get_text() for text in axis.texts}
    assert numbers[(0, 2)] == "2\n33.3%"  # column 0, row 2: Sci/Tech taken for World
    assert numbers[(1, 0)] == "1\n25.0%"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["World", "Sports", "Sci/Tech"]
    assert axis.get_title() == "3 heads: 70.0% of 10 test texts correct"


def test_of_many_classes_only_the_shades_are_shown(tmp_path):
    info = confusion.ConfusionInfo("run", np.array([f"c{k}" for k in range(40)]), np.eye(40, dtype=int), np.eye(40), 1)
    assert not drawn(info).texts
    drawing.save(confusion, info, tmp_path / "confusion.png")


def test_a_run_without_classes_is_refused():
    with pytest.raises(ValueError, match="has no lexicon"):
        confusion.info(RUN._replace(lexicon=None))
