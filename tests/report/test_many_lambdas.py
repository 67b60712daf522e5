"""A study with many lambdas is as short to read as one with few, and says what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_studies import draw_curves, draw_images, study, trial, with_verdict

from hwsweep.figures.drawing import colour_of
from hwsweep.figures.study import trial_curves
from hwsweep.figures.study.trial_curves import TrialCurvesInfo
from hwsweep.report import posterior_collapse
from hwsweep.report.answer import answer
from hwsweep.report.gather import gather
from hwsweep.report.html.page import Section
from hwsweep.report.html.render import render
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.report.posterior_collapse.figures import draw_montages
from hwsweep.report.posterior_collapse.selection import collapse_place, spread
from hwsweep.report.study_figures import StudyFigures
from hwsweep.sweep.study.view import StudyView

WEIGHTS = [float(f"{weight:.4g}") for weight in np.geomspace(0.01, 100, 100)]
COLLAPSE = 83
"""The place of the first collapsed run; those on both sides are on every figure."""
SIDES = [f"{WEIGHTS[COLLAPSE - 1]:.5g}", f"{WEIGHTS[COLLAPSE]:.5g}"]


def hundred(folder: Path, verdicts: Sequence[str] | None = None) -> StudyView:
    names = verdicts or ["healthy"] * COLLAPSE + ["collapsed"] * (len(WEIGHTS) - COLLAPSE)
    trials = [
        with_verdict(trial(folder, n, weight), name, rate=10 - 0.1 * n, active_units=20, distortion=100 + n)
        for n, (weight, name) in enumerate(zip(WEIGHTS, names, strict=True))
    ]
    return study(folder, *trials, axes={"vae.lambda": tuple(WEIGHTS)})


def test_a_montage_shows_lambdas_at_even_steps_of_their_logarithm_and_both_sides_of_the_collapse(
    tmp_path: Path,
) -> None:
    view = hundred(tmp_path)
    for each in view.trials:
        draw_images(each)
    (figure,) = draw_montages(view)
    shown = re.findall(r"lambda = (\S+):", figure.alt)
    assert figure.caption.endswith("; 8 of 100 trials.") and len(shown) == 8
    assert [shown[0], shown[-1]] == ["0.01", "100"] and set(SIDES) <= set(shown)
    steps = np.diff(np.log10([float(each) for each in shown if each not in SIDES]))
    assert steps.max() <= 4 / 5 + 0.05  # four decades in five steps; neighbours are 0.04 decades apart


def test_the_slider_has_both_sides_of_the_collapse_and_says_how_many_values_it_has(tmp_path: Path) -> None:
    view = hundred(tmp_path)
    for each in view.trials:
        draw_images(each)
    (slider,) = PosteriorCollapse().sections(view)[0].sliders
    assert slider.note == "30 of 100 values" and len(slider.stops) == 30
    assert set(SIDES) <= {stop.title for stop in slider.stops}


@pytest.mark.parametrize(
    ("weights", "size", "needed", "places"),
    [
        ([0, 1, 100], 8, [], [0, 1, 2]),  # few: all
        ([0, 1, 100], 2, [], [0, 2]),  # the ends
        ([1, 1.01, 1.02, 10, 100], 3, [], [0, 3, 4]),  # 10 is in the middle of the logarithms
        ([0, 0.1, 0.11, 0.12, 1], 3, [], [0, 1, 4]),  # zero is a decade below 0.1
        ([5, 5, 5, 5, 5], 3, [], [0, 2, 4]),  # one lambda: by order
        ([1, 10, 100, 1000], 3, [1], [0, 1, 3]),
    ],
)
def test_lambdas_are_spread_over_their_logarithm(
    weights: list[float], size: int, needed: list[int], places: list[int]
) -> None:
    assert spread(weights, size, needed) == places


def test_a_collapse_is_between_a_run_that_tells_and_a_collapsed_one() -> None:
    assert collapse_place(["healthy", "collapsed", "collapsed"]) == 1
    assert collapse_place(["untrained", "collapsed", "healthy", "collapsed"]) == 3
    assert collapse_place(["collapsed", "collapsed"]) is None and collapse_place([]) is None


def test_where_verdicts_alternate_the_answer_counts_them(tmp_path: Path) -> None:
    names = ["healthy", "nearly collapsed"] * 40 + ["collapsed"] * 5 + ["nearly collapsed"] + ["collapsed"] * 14
    view = hundred(tmp_path, names)
    first = PosteriorCollapse().answer(view, answer(view, {}))[0]
    assert first.startswith(f"Between lambda = {WEIGHTS[79]:.5g} and {WEIGHTS[80]:.5g} the posterior first collapsed: ")
    assert first.endswith(
        f"; 40 of 100 runs are healthy (lambda = 0.01 to {WEIGHTS[78]:.5g}); 41 of 100 runs are nearly collapsed "
        f"(lambda = {WEIGHTS[1]:.5g} to {WEIGHTS[85]:.5g}); 19 of 100 runs are collapsed "
        f"(lambda = {WEIGHTS[80]:.5g} to 100)."
    )


@pytest.mark.slow
def test_no_sentence_of_the_page_lists_a_hundred_lambdas_and_the_page_stays_small(tmp_path: Path) -> None:
    view = hundred(tmp_path)
    for each in view.trials:
        draw_images(each)
        draw_curves(each, 1)
    model = PosteriorCollapse()
    figures = StudyFigures(view, model)
    figures._draws = [draw_montages, posterior_collapse.draw_curves]  # without the search's charts, which take seconds
    page = gather(view, model, figures)
    assert figures.problems == []
    sentences = [text for section in page.sections for text in [*section.sentences, *captions(section)]]
    assert len(sentences) > 5 and max(map(len, sentences)) < 500
    assert len([text for text in sentences if ": an example" in text]) == 2  # one for each verdict
    assert len(render(page)) < 1_000_000


def captions(section: Section) -> list[str]:
    return [text for picture in section.pictures for text in (picture.caption, picture.alt)]


def test_many_curves_have_a_colour_bar_in_the_place_of_a_legend_and_one_epoch_is_a_point(tmp_path: Path) -> None:
    for n_runs, has_bar in ((3, False), (100, True)):
        weights = np.array([0.0, *np.geomspace(0.01, 100, n_runs - 1)])
        info = TrialCurvesInfo(
            titles=weights.astype(str),
            colours=np.array([colour_of(weight) for weight in weights]),
            kl_weight=weights,
            epoch=np.ones((n_runs, 1)),
            valid=np.ones((3, n_runs, 1)),
        )
        figure = Figure()
        axes = list(figure.subplots(1, trial_curves.PANELS))
        trial_curves.draw(info, axes)
        bars = axes[-1].child_axes
        assert len(bars) == has_bar and (axes[-1].get_legend() is None) == has_bar
        assert all(line.get_marker() == "o" for axis in axes for line in axis.lines)
        for bar in bars:
            assert bar.get_ylim() == pytest.approx((0.01, 100)) and "below: 0" in bar.get_ylabel()
