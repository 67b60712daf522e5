from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_runs import planted

from hwsweep.figures.study import active_units

# the threshold itself is not above it; zero has no logarithm
STATISTIC = (0.0, 1e-9, 0.0099, 0.01, 0.0101, 0.5, 40.0)


@pytest.fixture
def info():
    return active_units.info([planted(100, statistic=(0.0,) * 7), planted(1, statistic=STATISTIC)])


def test_no_latent_is_lost_and_those_right_of_the_threshold_are_the_active_ones(info):
    assert info.counts.sum(1).tolist() == [7, 7]
    right = info.edges[:-1] >= 0.01
    assert 0.01 in info.edges
    assert info.counts[:, right].sum(1).tolist() == [3, 0]
    assert info.counts[:, 0].tolist() == [2, 7]  # what is too small for the axis


def test_bins_are_a_fifth_of_a_decade_and_hold_what_lies_between_their_edges(info):
    assert np.diff(np.log10(info.edges)) == pytest.approx(0.2)
    assert info.edges[0] == pytest.approx(1e-6) and info.edges[-2] <= 40 <= info.edges[-1]
    expected = np.histogram([0.0099, 0.0101, 0.5, 40.0], info.edges)[0]
    expected[0] = 2
    expected[np.searchsorted(info.edges, 0.01) - 1] += 1
    assert info.counts[0].tolist() == expected.tolist()


def test_each_run_has_a_row_whose_bars_are_drawn_to_one_scale(info):
    axis = Figure().subplots()
    active_units.draw(info, [axis])
    bars = [patch.get_data() for patch in axis.patches]
    assert [bar.baseline for bar in bars] == [1, 0]  # lambda = 1 on top
    np.testing.assert_allclose([(bar.values - bar.baseline) * 7 / 0.9 for bar in bars], info.counts, atol=1e-9)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["lambda = 1", "lambda = 100"]
    rows = [[text for text in axis.texts if text.get_position()[1] // 1 == level] for level in (1, 0)]
    assert [" ".join(text.get_text() for text in row) for row in rows] == ["5 3 2 of 7", "0 0 0 of 7"]
    assert [text.get_text() for text in rows[0] if text.get_weight() == "bold"] == ["3"]
    assert {line.get_xdata()[0]: line.get_linestyle() for line in axis.lines} == {0.003: ":", 0.01: "--", 0.03: ":"}


def test_the_number_of_active_units_is_shown_for_a_threshold_below_and_one_above():
    info = active_units.info([planted(1, statistic=(0.002, 0.003, 0.004, 0.02, 0.02, 0.5))])
    assert info.active.tolist() == [[4, 3, 1]]


def test_one_run_without_any_variance_can_be_drawn():
    active_units.draw(active_units.info([planted(100, statistic=(0.0,))]), [Figure().subplots()])


def test_a_run_with_too_few_images_for_a_variance_has_no_latents():
    info = active_units.info([planted(1, statistic=(np.nan,) * 3)])
    assert info.counts.sum() == 0 and info.active.tolist() == [[0, 0, 0]]
    active_units.draw(info, [Figure().subplots()])
