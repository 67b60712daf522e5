from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image
from planted_runs import OPTIMUM, planted, sweep

from hwsweep.figures import drawing
from hwsweep.figures.study import active_units, collapse, kl_heatmap, rate_distortion

FIGURES = [rate_distortion, kl_heatmap, active_units, collapse]


def drawn(runs):
    axes = list(Figure().subplots(1, collapse.PANELS))
    collapse.draw(collapse.info(runs), axes)
    return axes


def test_every_run_has_its_numbers_in_the_order_of_lambda():
    runs = [
        planted(100, verdict="collapsed", statistic=(0, 0, 0), mutual_information=0.0),
        planted(0, verdict="unregularised", mutual_information=5),
    ]
    info = collapse.info(runs)
    assert (info.kl_weight.tolist(), info.verdicts.tolist()) == ([0, 100], ["unregularised", "collapsed"])
    assert (info.active_units.tolist(), info.latents.tolist()) == ([3, 0], [3, 3])
    assert (info.mutual_information.tolist(), info.mutual_information_error.tolist()) == ([5, 0], [0.05, 0.05])
    assert (info.cap, info.active_below.tolist(), info.exact.tolist()) == (5, [[4, 2, 0.5]], [True])


def test_a_verdict_may_go_on_after_its_name():
    info = collapse.info([planted(3, verdict="partly collapsed (2 of 3 latents): q(z|x) equals ...")])
    assert info.verdicts.tolist() == ["partly collapsed"]


def test_runs_of_one_lambda_that_differ_have_no_common_verdict():
    info = collapse.info([planted(3, verdict="collapsed"), planted(1), planted(3, title="free bits")])
    assert info.verdicts.tolist() == ["healthy", "", ""]
    drawn([planted(3, verdict="collapsed"), planted(3, title="free bits")])


def test_an_unknown_verdict_is_refused_by_name():
    with pytest.raises(ValueError, match="lagging, disconnected, but lambda = 3 has 'so so'"):
        collapse.info([planted(3, verdict="so so")])


@pytest.mark.parametrize(("likelihood", "style"), [("gaussian", "-"), ("bernoulli", "--")])
def test_the_steps_are_the_active_units_of_the_linear_model_at_every_lambda(likelihood, style):
    units, _ = drawn([planted(weight, likelihood=likelihood) for weight in OPTIMUM])
    (steps,) = units.lines
    assert (steps.get_drawstyle(), steps.get_linestyle()) == ("steps-post", style)
    scale = 2 if likelihood == "bernoulli" else 1  # sigma2 = 2 divides Gaussian eigenvalues only
    for weight, (active, _, _) in OPTIMUM.items():
        place = np.searchsorted(steps.get_xdata(), scale * weight, side="right") - 1
        assert steps.get_ydata()[place] == active


def test_models_of_several_numbers_of_latents_that_collapse_at_one_lambda_are_one_line_of_the_legend():
    runs = [planted(1), planted(2, kl=(0.2, 0.7), statistic=(0.3, 0.8))]
    units, _ = drawn(runs)
    assert len(units.lines) == 2
    assert [text.get_text() for text in units.get_legend().get_texts()] == ["linear VAE: collapse at lambda = 4"]


def test_points_stand_at_their_numbers_in_the_colour_of_their_lambda():
    runs = [planted(1, mutual_information=2.5), planted(0, mutual_information=5, statistic=(1, 1, 0))]
    for axis, heights in zip(drawn(runs), ([2, 3], [5, 2.5]), strict=True):
        points = axis.collections[-1]
        assert points.get_offsets().tolist() == [[0, heights[0]], [1, heights[1]]]
        colours = [to_hex(colour).upper() for colour in points.get_facecolors()]
        assert colours == [drawing.colour_of(0), drawing.colour_of(1)]


def test_only_lambdas_that_were_tried_are_shaded_and_neighbours_share_the_name_of_a_verdict():
    verdicts = {0: "unregularised", 1: "healthy", 4: "healthy", 100: "collapsed"}
    for axis in drawn([planted(weight, verdict=name) for weight, name in verdicts.items()]):
        strips = {
            path.vertices[0, 0]: to_hex(lines.get_color()[0]).upper()
            for lines in axis.collections
            if isinstance(lines, LineCollection) and to_hex(lines.get_color()[0]).upper() in collapse.BANDS.values()
            for path in lines.get_paths()
        }
        assert strips == {weight: collapse.BANDS[name] for weight, name in verdicts.items()}
        assert not axis.patches
        names = {text.get_text(): text.get_position()[0] for text in axis.texts if text.get_text() in collapse.BANDS}
        assert names == {"unregularised": 0, "healthy": 4, "collapsed": 100}


def test_many_lambdas_of_a_random_search_have_a_legend_in_the_place_of_names_that_would_overlap():
    weights = np.round(10.0 ** np.random.default_rng(0).uniform(-2, 2, 40), 4)
    runs = [planted(weight, verdict=("healthy", "partly collapsed")[place % 2]) for place, weight in enumerate(weights)]
    for axis in drawn(runs):
        assert not [text for text in axis.texts if text.get_text() in collapse.BANDS]
        (legend,) = [each for each in axis.get_children() if isinstance(each, Legend) and each is not axis.get_legend()]
        colours = {
            text.get_text(): to_hex(patch.get_facecolor()).upper()
            for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
        }
        assert colours == {name: collapse.BANDS[name] for name in ("healthy", "partly collapsed")}


def test_strips_of_two_verdicts_do_not_overlap():
    """Six lambdas of alternate verdicts, 3 % apart: each strip keeps its colour at its own lambda."""
    weights = [0.015, *(1.5 * 1.03**place for place in range(6)), 70]  # none at a line of the grid
    runs = [planted(weight, verdict=("healthy", "collapsed")[place % 2]) for place, weight in enumerate(weights)]
    info = collapse.info(runs)
    with drawing.style():
        figure = Figure(figsize=(8, 4), dpi=300, layout="compressed")
        canvas, axes = FigureCanvasAgg(figure), figure.subplots(1, 2)
        collapse.draw(info, axes)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())
        for weight, verdict in zip(info.kl_weight, info.verdicts, strict=True):
            x, _ = axes[0].transData.transform((weight, 0))
            _, y = axes[0].transAxes.transform((0, 0.12))
            shown = picture[picture.shape[0] - round(y), round(x), :3] / 255
            distance = {name: np.abs(shown - to_rgb(collapse.BANDS[name])).sum() for name in ("healthy", "collapsed")}
            assert min(distance, key=distance.__getitem__) == verdict  # edges are blurred a little


@pytest.mark.parametrize("weights", [[0], [3], [0, 3], [0.3, 0.4], [0, 1e-3, 1e5]])
def test_every_lambda_has_a_place_inside_the_axes(weights):
    for axis in drawn([planted(weight) for weight in weights]):
        shares = (axis.transData - axis.transAxes).transform([(weight, 0) for weight in weights])[:, 0]
        assert ((shares > 0.02) & (shares < 0.98)).all()
        assert len(axis.get_xticks()) >= 1


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__.rpartition(".")[2])
def test_a_figure_of_fifteen_runs_is_one_page_wide_and_can_be_drawn_again_from_what_was_stored(figure, tmp_path):
    info = figure.info(sweep(15))
    drawing.store(info, tmp_path / "info.npz")
    drawing.save(figure, drawing.load(type(info), tmp_path / "info.npz"), tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as picture:
        assert 1000 <= picture.width <= 1400
        assert picture.height <= 1300


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__.rpartition(".")[2])
def test_a_figure_of_one_run_can_be_drawn(figure):
    figure.draw(figure.info(sweep(1)), list(np.atleast_1d(Figure().subplots(1, figure.PANELS))))


def test_figures_of_a_sweep_are_drawn_by_a_process_without_torch_and_pyplot():
    names = ", ".join(figure.__name__.rpartition(".")[2] for figure in FIGURES)
    absent = "print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    code = f"import sys; from hwsweep.figures.study import {names}; {absent}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
