"""The page of a study of models for every lambda, from the stored run of a planted model."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from planted_all_lambda import planted_run
from planted_studies import study, trial

from hwsweep import run_folder
from hwsweep.figures import drawing
from hwsweep.figures.lambda_curve import lambda_images
from hwsweep.report.answer import answer
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.report.posterior_collapse.all_lambda import AllLambda
from hwsweep.report.write import write_report
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

TARGET = "hwsweep.report.posterior_collapse.all_lambda.AllLambda"


def stored_trial(folder: Path, number: int, value: float = 10.0) -> TrialView:
    """A trial whose run has stored what the program stores of a model for every lambda."""
    one = trial(folder, number, 0.01, params={"seed": number}, values=[value])
    run = planted_run()
    run_folder.write_arrays(one.directory, dict(run.arrays))
    tags = {"verdict": "healthy", "why": "healthy: yes", "curve": "one model for all", "linear": "of 9 lambdas some"}
    run_folder.write_result(one.directory, "a" * 32, one.metrics, tags)
    images = lambda_images.info(run, n_images=24, n_samples=24, n_pairs=2, n_steps=12, columns=4, seed=0)
    drawing.store(images, one.directory / "figures" / "lambda_images.npz")
    return one


def study_of(folder: Path, *trials: TrialView) -> StudyView:
    view = study(folder, *trials, axes={"seed": (0, 1)} if len(trials) > 1 else {})
    changes = {"vae": {"likelihood": "gaussian", "sigma2": 0.5, "lambda_range": [0.001, 1]}}
    return view._replace(config=OmegaConf.merge(view.config, changes, {"study": {"_target_": TARGET}}))


def test_the_slider_has_a_stop_for_each_lambda_with_its_numbers(tmp_path: Path) -> None:
    run, view = planted_run(), study_of(tmp_path, stored_trial(tmp_path, 0))
    (slider,) = AllLambda().sections(view)[0].sliders
    assert (slider.key, slider.rows) == ("lambda", ["real", "reconstruction", "prior samples", "interpolation"])
    assert [stop.title for stop in slider.stops][::4] == ["0.001", "0.0316", "1"]
    for number, stop in enumerate(slider.stops):
        facts = dict(stop.facts)
        assert float(facts["rate [nats]"]) == pytest.approx(run.arrays["stop_test_rate"][number], abs=0.0051)
        assert float(facts["distortion [nats]"]) == pytest.approx(run.arrays["stop_test_distortion"][number], abs=0.051)
        assert int(facts["active units"]) == run.arrays["stop_test_active_units"][number]
        assert str(run.arrays["stop_verdict"][number]).startswith(facts["verdict"])
        assert len(stop.images) == 4
    assert slider.stops[0].images[0] == slider.stops[8].images[0]  # the same real images
    assert slider.stops[0].images[1] != slider.stops[8].images[1]


@pytest.mark.slow
def test_the_page_answers_with_the_curve_and_shows_montage_slider_and_figures(tmp_path: Path) -> None:
    view = study_of(tmp_path, stored_trial(tmp_path, 0))
    assert AllLambda().answer(view, answer(view, {}))[:2] == ["Of 9 lambdas some.", "One model for all."]
    report = write_report(view)
    assert report.problems == []
    assert {path.name for path in report.figures} == {
        *("montage.png", "rate_distortion.png", "kl_heatmap.png", "active_units.png")
    }
    text = report.page.read_text()
    assert text.count('class="stop"') == 9 and "9 lambdas from 0.001 to 1 in the slider below." in text


@pytest.mark.slow
def test_of_several_trials_the_best_one_is_shown_and_the_curves_of_all(tmp_path: Path) -> None:
    trials = [stored_trial(tmp_path, 0, 11.0), stored_trial(tmp_path, 1, 9.0)]
    view = study_of(tmp_path, *trials)
    assert AllLambda().answer(view, ["general"]) == [
        "Seed = 1: of 9 lambdas some.",
        "Seed = 1: one model for all.",
        "general",
    ]
    (plane,) = [
        figure for draw in AllLambda().figures() for figure in draw(view) if "rate_distortion" in figure.path.name
    ]
    assert plane.alt.count("lambda = 0.001") == 1


def test_a_trial_without_images_adds_nothing(tmp_path: Path) -> None:
    view = study_of(tmp_path, trial(tmp_path, 0, 0.01, params={}))
    assert AllLambda().answer(view, ["general"]) == ["general"]
    assert AllLambda().sections(view)[0].sliders == []
    assert [figure for draw in AllLambda().figures() for figure in draw(view)] == []


def test_compared_with_a_sweep_the_curve_is_drawn_once_with_all_its_points(tmp_path: Path) -> None:
    one = study_of(tmp_path / "one", stored_trial(tmp_path / "one", 0))
    other = study_of(tmp_path / "two", stored_trial(tmp_path / "two", 0))._replace(name="other")
    target = "hwsweep.report.posterior_collapse.PosteriorCollapse"
    sweep = other._replace(config=OmegaConf.merge(other.config, {"study": {"_target_": target}}))
    (figure,) = AllLambda().comparison([one, other], tmp_path)
    assert figure.alt.count("mine, lambda = ") == 6
    assert list(AllLambda().comparison([one, sweep], tmp_path)) == []  # PosteriorCollapse draws it
    assert len(list(PosteriorCollapse().comparison([one, sweep], tmp_path))) == 1
