"""The figures of a study; one that cannot be drawn costs only itself."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from planted_studies import draw_curves, draw_images, failed, note, study, trial

from hwsweep import run_folder
from hwsweep.figures import trial_curves
from hwsweep.report import study_figures
from hwsweep.report.compare import compare
from hwsweep.report.naming import title
from hwsweep.report.study_figures import Drawing, draw_montages


def test_a_montage_is_drawn_of_the_runs_that_have_all_three_pictures(tmp_path: Path) -> None:
    whole, half = trial(tmp_path, 0, 0), trial(tmp_path, 1, 1)
    draw_images(whole)
    draw_images(half)
    (half.directory / "figures" / "samples.npz").unlink()
    (drawn,) = draw_montages(study(tmp_path, whole, half))
    assert drawn.path == tmp_path / "montage.png" and drawn.path.exists()
    assert "lambda = 0: distortion 7.0, rate 3.00 nats" in drawn.alt and "lambda = 1" not in drawn.alt
    assert list(draw_montages(study(tmp_path, half))) == []


def test_a_figure_that_cannot_be_drawn_is_named_and_the_others_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trial(tmp_path, 0, 0)
    draw_images(first)
    draw_curves(first, 3)

    def draw_sweep(view: object) -> None:
        raise ValueError("the pen is dry")

    monkeypatch.setattr(study_figures, "draw_sweep", draw_sweep)
    drawing = Drawing(study(tmp_path, first))
    assert drawing.problems == ["sweep: ValueError: the pen is dry"]
    assert [path.name for path in drawing.paths] == ["montage.png", "trial_curves.png"]


def test_processes_draw_what_is_drawn_here(tmp_path: Path) -> None:
    first = trial(tmp_path, 0, 0)
    draw_images(first)
    draw_curves(first, 3)
    view = study(tmp_path, first)
    here = Drawing(view)
    expected = [(each, each.path.read_bytes()) for each in here.drawn]
    for path in here.paths:
        path.unlink()
    with ProcessPoolExecutor(2, get_context("forkserver")) as processes:
        there = Drawing(view, processes)
        assert [(each, each.path.read_bytes()) for each in there.drawn] == expected
    assert [path.name for path in there.paths] == ["montage.png", "trial_curves.png"]
    assert there.problems == here.problems == []


def test_a_study_without_a_finished_trial_has_no_pictures(tmp_path: Path) -> None:
    drawing = Drawing(study(tmp_path, failed(tmp_path, 0, 1, "error", "no")))
    assert drawing.drawn == [] and drawing.problems == []


def test_curves_of_runs_of_different_length_stand_in_one_figure(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, number) for number in range(2)]
    for each, epochs in zip(trials, (3, 5), strict=True):
        draw_curves(each, epochs)
    info = trial_curves.info([trial_curves.Line("", "#000000", each.directory / "figures") for each in trials])
    np.testing.assert_array_equal(info.valid[1], [[1, 2, 3, np.nan, np.nan], [1, 2, 3, 4, 5]])


def test_only_vaes_are_compared_by_rate_and_distortion_and_a_classifier_beside_them_costs_nothing(
    tmp_path: Path,
) -> None:
    texts = trial(tmp_path, 0, 0, params={"transformer.heads": 2}, metrics={"test/accuracy": 0.9})
    note(texts, "above baseline")
    run_folder.write_arrays(texts.directory, {"confusion": np.eye(2)})
    view = study(tmp_path, texts, axes={"transformer.heads": (2,)})
    del view.config.vae
    assert study_figures.numbers_of(view, "") == []
    (sections, *_) = compare([view, view], tmp_path).sections
    assert sections.sentences == []


def test_a_swept_data_set_is_named_with_its_trials_but_not_inside_its_own_montage(tmp_path: Path) -> None:
    trials = [
        trial(tmp_path, number, 1, params={"dataset": name, "vae.lambda": 1})
        for number, name in enumerate(("digits", "faces"))
    ]
    for each in trials:
        draw_images(each)
        note(each, "healthy")
    view = study(tmp_path, *trials, axes={"dataset": ("digits", "faces"), "vae.lambda": (1,)})
    assert [title(each, view) for each in trials] == ["dataset = digits, lambda = 1", "dataset = faces, lambda = 1"]
    first, _ = draw_montages(view)
    assert "digits. lambda = 1: distortion" in first.alt
    (points,) = compare([view, view], tmp_path).sections[0].tables
    assert [row[0].text for row in points.rows] == [title(each, view) for each in trials]
