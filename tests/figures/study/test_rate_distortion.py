from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from planted_runs import OPTIMUM, planted, sweep

from hwsweep.figures import drawing
from hwsweep.figures.study import rate_distortion


def drawn(runs):
    axis = Figure(figsize=(8, 24)).subplots()
    rate_distortion.draw(rate_distortion.info(runs), [axis])
    return axis


def test_every_run_is_a_point_with_its_prediction_in_the_order_of_lambda():
    info = rate_distortion.info([planted(3, 0.2, 3.6), planted(0, 40, 0.8), planted(1, 1.1, 2.2)])
    assert info.titles.tolist() == ["lambda = 0", "lambda = 1", "lambda = 3"]
    assert info.measured.tolist() == [[40, 0.8], [1.1, 2.2], [0.2, 3.6]]
    np.testing.assert_array_equal(info.predicted[1:], [OPTIMUM[1][1:], OPTIMUM[3][1:]])
    assert np.isnan(info.predicted[0, 0])  # no finite rate at lambda = 0
    assert info.colours.tolist() == [drawing.colour_of(kl_weight) for kl_weight in (0, 1, 3)]


def test_runs_of_two_likelihoods_are_refused():
    with pytest.raises(ValueError, match="bernoulli, gaussian; make one figure per likelihood"):
        rate_distortion.info([planted(1), planted(1, likelihood="bernoulli")])


def test_the_runs_of_two_studies_have_two_shapes_which_the_legend_names():
    axis = drawn([planted(1)._replace(study="a"), planted(3)._replace(study="b"), planted(100)._replace(study="a")])
    legend = axis.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    shapes = {name: line.get_marker() for name, line in zip(names, legend.get_lines(), strict=True)}
    assert names[:2] == ["a, test split", "b, test split"] and shapes[names[0]] != shapes[names[1]]
    points = [(line.get_markerfacecolor(), line.get_marker()) for line in axis.lines if len(line.get_xdata()) == 1]
    drawn_shapes = [marker for colour, marker in points if colour != "white"]  # by lambda; the others are rings
    assert drawn_shapes == [shapes[f"{study}, test split"] for study in "aba"]


@pytest.mark.parametrize(
    ("rates", "bend"),
    [([0, 2, 8], np.inf), ([0.001, 4, 16, 512], (4 * 16 * 512) ** (1 / 3)), ([0, 0.01], np.inf), ([300], np.inf)],
)
def test_the_axis_bends_at_the_usual_rate_if_one_lies_far_out(rates, bend):
    info = rate_distortion.info([planted(weight, rate) for weight, rate in enumerate(rates)])
    assert info.bend == pytest.approx(bend)


def test_points_stand_at_their_numbers_in_the_colour_of_their_lambda():
    axis = drawn([planted(1, 1.1, 2.2), planted(100, 0.0, 4.1)])
    points = {
        tuple(float(line.get_data()[k][0]) for k in (0, 1)): line for line in axis.lines if len(line.get_xdata()) == 1
    }
    assert set(points) == {(1.1, 2.2), (0.0, 4.1), OPTIMUM[1][1:], OPTIMUM[100][1:]}
    for place, weight in {(1.1, 2.2): 1, (0.0, 4.1): 100}.items():
        assert to_hex(points[place].get_color()).upper() == drawing.colour_of(weight)
    assert points[OPTIMUM[1][1:]].get_markerfacecolor() == "white"


def test_the_curve_reaches_the_optimum_of_a_run_that_is_far_below_it():
    info = rate_distortion.info([planted(0.25, rate=0.01, distortion=4.0)])
    _, rate, distortion = OPTIMUM[0.25]
    ((rates, distortions),) = info.curves
    assert rates.max() > rate
    assert np.interp(rate, rates, distortions) == pytest.approx(distortion, abs=1e-3)


@pytest.mark.parametrize("name", ["a", "a_study_with_a_name_of_forty_characters_"])
def test_the_legend_of_several_studies_fits_below_the_axes(name):
    runs = [planted(weight)._replace(study=study) for weight in (1, 3) for study in (name, f"{name}b")]
    with drawing.style():
        figure = Figure(figsize=(8, 24), dpi=150, layout="compressed")
        axis = figure.subplots()
        rate_distortion.draw(rate_distortion.info(runs), [axis])
        figure.draw_without_rendering()
        assert axis.get_legend().get_window_extent().width <= figure.bbox.width


@pytest.mark.parametrize(
    ("likelihood", "style", "name"), [("gaussian", "-", "linear VAE"), ("bernoulli", "--", "linear approximation")]
)
def test_the_curve_is_solid_if_exact_and_dashed_if_a_linear_approximation(likelihood, style, name):
    axis = drawn([planted(1, likelihood=likelihood)])
    (curve,) = [line for line in axis.lines if len(line.get_xdata()) > 10]
    assert curve.get_linestyle() == style
    assert [text.get_text() for text in axis.get_legend().get_texts() if name in text.get_text()]


def test_without_a_prediction_the_points_stand_alone():
    axis = drawn([planted(weight)._replace(metrics={"test/rate": 1.0, "test/distortion": 2.0}) for weight in (1, 2)])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["run, test split"]


def crowd(n):
    """`n` runs of a random search, all within a hundredth of the axes."""
    return [planted(round(1 + 0.01 * index, 2), 1 + index / n / 1000, 3 + index / n / 1000) for index in range(n)]


@pytest.mark.parametrize(
    ("runs", "n_titles"), [(sweep(1), 1), (sweep(5), 5), (sweep(15), 15), ([planted(0, 300), *crowd(60)], None)]
)
def test_titles_cover_neither_each_other_nor_a_point_nor_leave_the_page(runs, n_titles):
    info = rate_distortion.info(runs)
    with drawing.style():
        figure = Figure(figsize=(8, 24), dpi=150, layout="compressed")
        axis = figure.subplots()
        rate_distortion.draw(info, [axis])
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axis.texts]
        points = axis.transData.transform(info.measured)
        inside = axis.get_window_extent()
    assert {text.get_text() for text in axis.texts} <= set(info.titles)
    assert len(axis.texts) == n_titles or (n_titles is None and 10 <= len(axis.texts) < 60)  # not where all is full
    # boxes of text have some air around the letters: a dot or two may be shared
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-1.5).overlaps(pair[1].padded(-1.5))]
    assert not [box for box in boxes if any(box.padded(-1.5).contains(*point) for point in points)]
    assert all(inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1) for box in boxes)
    assert all(inside.contains(*point) for point in points)
