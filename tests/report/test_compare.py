"""Several studies on one page, and the difference of two trials, from planted trials."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from optuna_studies import searched, view_of
from planted_studies import failed, study, trial
from stored_studies import leave_study

from hwsweep.report.classifier import ClassifierStudy
from hwsweep.report.compare import changes_table, compare, joint_table, write_comparison
from hwsweep.report.difference import differences
from hwsweep.report.html.page import Cell
from hwsweep.report.study_figures import draw_joint_search
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.view import StudyView

ACCURACY = {"objective": "valid/error", "study": {"_target_": "hwsweep.report.classifier.ClassifierStudy"}}


def two(folder: Path) -> list[StudyView]:
    """Study a sweeps lambda, one of its trials failed; study b sweeps the latents at lambda = 1."""
    first = study(folder / "a", trial(folder / "a", 0, 0), failed(folder / "a", 1, 100, "diverged", "nan"), name="a")
    params = {"vae.latent": 2}
    second = trial(folder / "b", 0, 1, params=params, values=[9.0], metrics={"test/rate": 3.0, "test/distortion": 6.0})
    return [first, study(folder / "b", second, name="b", axes={"vae.latent": (2,)})]


def texts(cells: list[Cell]) -> list[str]:
    return [cell.text for cell in cells]


def test_one_table_has_the_trials_of_all_studies_and_the_values_that_a_study_does_not_sweep(tmp_path: Path) -> None:
    table = joint_table(two(tmp_path))
    assert table.columns[:5] == ["trial", "study", "lambda", "latent", "valid/neg_elbo"] and table.best is None
    assert [texts(row)[:7] for row in table.rows] == [
        ["0", "a", "0", "–", "10", "7", "3"],
        ["0", "b", "1", "2", "9", "6", "3"],  # lambda as the configuration of b has it
    ]
    assert texts(table.failed[0].leading) == ["1", "a", "100", "–"]


def test_a_swept_data_set_and_the_one_of_the_other_study_are_in_one_column(tmp_path: Path) -> None:
    trials = [trial(tmp_path / "a", n, 1, params={"dataset": name}) for n, name in enumerate(("faces", "digits"))]
    swept = study(tmp_path / "a", *trials, name="a", axes={"dataset": ("faces", "digits")})
    table = joint_table([swept, study(tmp_path / "b", trial(tmp_path / "b", 0, 1), name="b")])
    place = table.columns.index("dataset")
    assert [row[place].text for row in table.rows] == ["faces", "digits", "digits"]


def test_the_page_has_one_section_for_all_and_none_that_says_nothing(tmp_path: Path) -> None:
    page = compare(two(tmp_path), tmp_path)
    assert [section.title for section in page.sections] == ["Answers", "Trials", "Settings"]
    assert page.status == "Trials of a: 1 complete, 1 failed; b: 1 complete."
    assert [part.title for part in page.sections[0].parts] == ["a", "b"]
    assert all("What does" in part.sentences[0] for part in page.sections[0].parts)


def test_the_settings_are_those_that_any_study_changes_and_first_those_that_differ(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    b.config.vae.sigma2 = 0.5
    (table,) = changes_table([a, b])
    assert table.columns == ["key", "default", "a", "b"]
    assert [texts(row) for row in table.rows] == [
        ["vae.sigma2", "1.0", "default", "0.5"],
        ["objective", "valid/loss", "valid/neg_elbo", "valid/neg_elbo"],
    ]


@pytest.mark.parametrize("baseline", [{}, {"baseline/accuracy": 0.5, "baseline/bigram_accuracy": 0.625}])
def test_the_accuracies_of_all_studies_of_classifiers_are_one_figure(
    tmp_path: Path, baseline: dict[str, float]
) -> None:
    views = []
    for name, shares in (("a", (0.25, 0.75)), ("b", (0.5,))):
        trials = [
            trial(tmp_path / name, n, n, metrics={"test/accuracy": share, **baseline}) for n, share in enumerate(shares)
        ]
        view = study(tmp_path / name, *trials, name=name)
        views.append(view._replace(config=OmegaConf.merge(view.config, ACCURACY)))
    (figure,) = ClassifierStudy().comparison(views, tmp_path)
    assert figure.path == tmp_path / "accuracy.png" and figure.path.exists()
    assert figure.alt.endswith("a: at most 75.0%; b: at most 50.0%.")
    assert list(ClassifierStudy().comparison(views[:1], tmp_path)) == []  # one study has its own page


def test_only_values_that_differ_are_in_the_page_and_each_once(tmp_path: Path) -> None:
    found = differences(two(tmp_path))
    assert found["names"] == ["a, trial 0", "b, trial 0", "a, trial 1"]  # the failed one is last, as in the table
    assert found["settings"] == {"vae.lambda": [0, 1, 100], "vae.latent": [None, 2, None]}
    assert found["metrics"] == {
        "valid/neg_elbo": [10.0, 9.0, None],
        "test/distortion": [7.0, 6.0, None],
        "test/rate": [3.0, 3.0, None],
        "test/neg_elbo": [10.0, None, None],
    }
    assert differences([study(tmp_path / "c", trial(tmp_path / "c", 0, 0))]) == {}


def test_numbers_that_json_does_not_have_are_text_and_the_others_are_short(tmp_path: Path) -> None:
    values = (float("nan"), float("inf"), 1 / 3)
    trials = [trial(tmp_path, n, 0, metrics={"x": value}, values=[1.0]) for n, value in enumerate(values)]
    found = differences([study(tmp_path, *trials)])
    assert found["metrics"] == {"x": ["nan", "inf", 0.33333]} and found["settings"] == {}
    json.dumps(found, allow_nan=False)


def test_a_chosen_option_brings_the_settings_that_it_changes(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, 0, params={"model": model}) for n, model in enumerate(("vae", "vae_conv", "vae_conv"))]
    for each, channels in ((trials[0], None), (trials[1], [8])):
        (each.directory / "config").mkdir()
        config = OmegaConf.create({"seed": 1, "vae": {"latent": 3, "channels": channels}})
        OmegaConf.save(config, each.directory / "config" / "config.yaml")
    view = study(tmp_path, *trials, axes={"model": ("vae", "vae_conv")})
    view.config.hydra.output_subdir = "config"
    # trial 2 has the options of trial 1, whose file stands for both
    assert differences([view])["settings"] == {
        "vae.channels": [None, "[8]", "[8]"],
        "model": ["vae", "vae_conv", "vae_conv"],
    }


@pytest.mark.slow
def test_two_studies_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    page = write_comparison([stored_view(leave_study(tmp_path / name, 5)) for name in ("a", "b")])
    html = page.read_text(encoding="utf-8")
    assert page == tmp_path / "a_vs_b" / "report.html"
    assert "<title>Studies a and b</title>" in html and html.count("data-row=") == 10
    (data,) = re.findall(r'<script type="application/json" class="differences">(.*?)</script>', html)
    assert json.loads(data)["names"][::5] == ["a, trial 0", "b, trial 0"]


def quadratic(centre: float, n_trials: int, name: str, objective: str = "valid/loss") -> StudyView:
    """A search for the minimum of (x - centre) squared."""
    found = searched(lambda each: (each.suggest_float("x", 0, 1) - centre) ** 2, n_trials)
    return view_of(found, objective)._replace(name=name)


def test_searches_with_one_objective_share_their_history_and_their_distribution_function(tmp_path: Path) -> None:
    views = [quadratic(0.5, 12, "a"), quadratic(0.9, 7, "b"), quadratic(0.1, 9, "c", "valid/error")]
    history, edf = draw_joint_search(views, tmp_path)
    assert [figure.path.name for figure in (history, edf)] == [
        "search_history_valid_loss.png",
        "search_edf_valid_loss.png",
    ]
    values = {view.name: [trial.values[0] for trial in view.trials] for view in views[:2]}
    for name, numbers in values.items():
        assert f"{name}: {len(numbers)} trials, at best {min(numbers):.5g}" in history.alt
    traces = json.loads(gzip.decompress(edf.chart))["traces"]
    for trace in traces:  # numpy's own count of the values up to each place
        x, y = (np.frombuffer(base64.b64decode(trace[axis]["bdata"]), trace[axis]["dtype"]) for axis in "xy")
        np.testing.assert_allclose(y, [np.mean(np.array(values[trace["name"]]) <= place) for place in x])
    assert [trace["name"] for trace in traces] == ["a", "b"]
    points = json.loads(gzip.decompress(history.chart))["traces"]
    shown = [each for each in points if each["mode"] == "markers" and each["y"]]
    assert {each["name"]: each["y"] for each in shown} == values


def test_figures_of_searches_on_different_data_say_that_values_may_not_compare(tmp_path: Path) -> None:
    views = [quadratic(0.5, 5, "a"), quadratic(0.9, 5, "b")]
    for view, data in zip(views, ("faces", "digits"), strict=True):
        view.config.dataset = {"name": data}
    assert all("different data" in figure.caption for figure in draw_joint_search(views, tmp_path))
    views[0].config.dataset = {"name": "digits"}
    assert not any("different data" in figure.caption for figure in draw_joint_search(views, tmp_path))


def test_one_search_alone_and_grids_of_a_few_points_have_no_joint_history(tmp_path: Path) -> None:
    grid = view_of(searched(lambda each: each.suggest_categorical("x", [1.0, 2.0]), 2), "valid/loss")
    assert list(draw_joint_search([quadratic(0.5, 5, "a"), grid._replace(name="b")], tmp_path)) == []


def test_the_example_of_a_filter_compares_a_column_of_numbers_and_some_rows_pass(tmp_path: Path) -> None:
    views = two(tmp_path)
    views.append(study(tmp_path / "c", *(trial(tmp_path / "c", n, n) for n in range(4)), name="c"))
    assert joint_table(views).example == "lambda < 1"  # of 0, 1, 0, 1, 2, 3; the second column has the studies' names
