from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from planted_runs import planted

from hwsweep.figures import drawing
from hwsweep.figures.study import kl_heatmap


@pytest.fixture
def info():
    return kl_heatmap.info(
        [planted(100, 0.0, kl=(0, 0.001), statistic=(0, 0)), planted(1, 6.5, kl=(0.5, 4, 2), statistic=(0.6, 1, 0.005))]
    )


def test_latents_are_sorted_in_each_run_and_runs_by_lambda(info):
    assert info.titles.tolist() == ["lambda = 1", "lambda = 100"]
    np.testing.assert_array_equal(info.kl, [[4, 2, 0.5], [0.001, 0, np.nan]])
    assert (info.rate.tolist(), info.active_units.tolist()) == ([6.5, 0], [2, 0])
    assert info.colours.tolist() == [drawing.colour_of(1), drawing.colour_of(100)]


def test_a_silent_latent_is_white_a_missing_one_grey_and_the_scale_logarithmic(info):
    axis = Figure().subplots()
    kl_heatmap.draw(info, [axis])
    (cells,) = axis.images
    colours = cells.to_rgba(cells.get_array())[..., :3]
    assert (colours[1, :2] == 1).all()
    assert colours[1, 2].tolist() == pytest.approx(to_rgb("#DDDDDD"))
    assert (colours[0] < 1).any(axis=-1).all()
    # from 0.01 to 4 nats: 0.2 lies in the middle of a logarithmic scale
    assert cells.norm([0.01, 0.2, 4]).tolist() == pytest.approx([0, 0.5, 1])


def test_each_row_stands_at_its_title_with_its_numbers(info):
    axis = Figure().subplots()
    kl_heatmap.draw(info, [axis])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["lambda = 1", "lambda = 100"]
    assert axis.get_ylim() == (1.5, -0.5)  # downwards
    rows = {(text.get_text(), text.get_position()[1]) for text in axis.texts}
    assert rows >= {("6.50", 0), ("2", 0), ("0.00", 1), ("0", 1)}
