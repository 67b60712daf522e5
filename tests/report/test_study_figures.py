"""The figures of a study: what is drawn of which runs, here or in other processes."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from planted_studies import draw_curves, draw_images, failed, study, trial, with_verdict

from hwsweep import run_folder
from hwsweep.figures.study import trial_curves
from hwsweep.report.compare import compare
from hwsweep.report.naming import trial_title
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.report.posterior_collapse.figures import draw_montages
from hwsweep.report.study_figures import StudyFigures


def test_a_montage_is_drawn_of_the_runs_that_have_all_three_images(tmp_path: Path) -> None:
    complete, incomplete = trial(tmp_path, 0, 0), trial(tmp_path, 1, 1)
    draw_images(complete)
    draw_images(incomplete)
    (incomplete.directory / "figures" / "samples.npz").unlink()
    (figure,) = draw_montages(study(tmp_path, complete, incomplete))
    assert figure.path == tmp_path / "montage.png" and figure.path.exists()
    assert "lambda = 0: distortion 7.0, rate 3.00 nats" in figure.alt and "lambda = 1" not in figure.alt
    assert list(draw_montages(study(tmp_path, incomplete))) == []


def test_a_figure_that_cannot_be_drawn_is_named_and_the_others_are_drawn(tmp_path: Path) -> None:
    first = trial(tmp_path, 0, 0)
    draw_images(first)
    draw_curves(first, 3)
    (first.directory / "figures" / "curves.npz").write_bytes(b"damaged")
    figures = StudyFigures(study(tmp_path, first), PosteriorCollapse())
    assert [problem.partition(":")[0] for problem in figures.problems] == ["curves"]
    assert [figure.path.name for figure in figures.figures] == ["montage.png"]


def test_processes_draw_the_same_figures(tmp_path: Path) -> None:
    first = trial(tmp_path, 0, 0)
    draw_images(first)
    draw_curves(first, 3)
    view = study(tmp_path, first)
    here = StudyFigures(view, PosteriorCollapse())
    expected = [(figure, figure.path.read_bytes()) for figure in here.figures]
    for figure in here.figures:
        figure.path.unlink()
    with ProcessPoolExecutor(2, get_context("forkserver")) as processes:
        there = StudyFigures(view, PosteriorCollapse(), processes)
        assert [(figure, figure.path.read_bytes()) for figure in there.figures] == expected
    assert [figure.path.name for figure in there.figures] == ["montage.png", "trial_curves.png"]
    assert there.problems == here.problems == []


def test_a_study_without_a_finished_trial_has_no_figures(tmp_path: Path) -> None:
    figures = StudyFigures(study(tmp_path, failed(tmp_path, 0, 1, "error", "no")), PosteriorCollapse())
    assert figures.figures == [] and figures.problems == []


def test_curves_of_runs_of_different_length_are_in_one_figure(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, number) for number in range(2)]
    for each, epochs in zip(trials, (3, 5), strict=True):
        draw_curves(each, epochs)
    info = trial_curves.info([trial_curves.Line("", "#000000", each.directory / "figures", 1.0) for each in trials])
    np.testing.assert_array_equal(info.valid[1], [[1, 2, 3, np.nan, np.nan], [1, 2, 3, 4, 5]])


def test_classifiers_are_left_out_of_the_rate_distortion_plane(tmp_path: Path) -> None:
    texts = trial(tmp_path, 0, 0, params={"transformer.heads": 2}, metrics={"test/accuracy": 0.9})
    with_verdict(texts, "above baseline")
    run_folder.write_arrays(texts.directory, {"confusion": np.eye(2)})
    view = study(tmp_path, texts, axes={"transformer.heads": (2,)})
    del view.config.vae
    assert list(PosteriorCollapse().comparison([view, view], tmp_path)) == []
    sections = {section.title: section for section in compare([view, view], tmp_path).sections}
    assert "All studies in one figure" not in sections and sections["Trials"].sentences == []  # no problem either


def test_the_montage_of_a_long_search_is_one_band_and_its_caption_says_of_how_many_trials(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n) for n in range(9)]
    for each in trials:
        draw_images(each)
    (few,) = draw_montages(study(tmp_path, *trials[:8]))
    (many,) = draw_montages(study(tmp_path, *trials))
    assert "of" not in few.caption.split() and many.caption.endswith("; 8 of 9 trials.")
    assert "lambda = 0:" in many.alt and "lambda = 8:" in many.alt  # the first and the last are among them


def test_the_columns_of_a_montage_are_in_the_order_of_lambda(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, weight) for n, weight in enumerate((3.0, 100.0, 0.5))]
    for each in trials:
        draw_images(each)
    (figure,) = draw_montages(study(tmp_path, *trials))
    assert re.findall(r"lambda = (\S+):", figure.alt) == ["0.5", "3", "100"]


def test_a_replicate_is_named_with_its_seed(tmp_path: Path) -> None:
    added = {"by": "replicate", "of": 0, "overrides": ["seed=8"]}
    trials = [trial(tmp_path, 0, 3), trial(tmp_path, 1, 3, added=added)]
    for each in trials:
        draw_images(each)
    view = study(tmp_path, *trials)
    (figure,) = draw_montages(view)
    assert re.findall(r"(lambda = .*?):", figure.alt) == ["lambda = 3", "lambda = 3, seed = 8"]
    assert view.trials_along("vae.lambda", trials[0]) == trials[:1], "a slider has one stop at lambda = 3"


def test_a_swept_data_set_is_named_with_its_trials_but_not_inside_its_own_montage(tmp_path: Path) -> None:
    trials = [
        trial(tmp_path, number, 1, params={"dataset": name, "vae.lambda": 1})
        for number, name in enumerate(("digits", "faces"))
    ]
    for each in trials:
        draw_images(each)
        with_verdict(each, "healthy")
    view = study(tmp_path, *trials, axes={"dataset": ("digits", "faces"), "vae.lambda": (1,)})
    names = ["dataset = digits, lambda = 1", "dataset = faces, lambda = 1"]
    assert [trial_title(each, view) for each in trials] == names
    first, _ = draw_montages(view)
    assert "digits. lambda = 1: distortion" in first.alt
