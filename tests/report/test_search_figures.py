"""The figures of a search: which ones a study has, their numbers against Optuna's own, and their files."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import optuna
import pytest
from matplotlib import pyplot
from optuna.trial import Trial
from optuna_studies import bowl, searched, view_of
from PIL import Image
from rich.console import Console

from hwsweep.report.answer import answer, question
from hwsweep.report.study_figures import SEARCH, draw_search
from hwsweep.report.tables import trials_table
from hwsweep.report.terminal_table import print_table
from hwsweep.report.write import results_csv
from hwsweep.sweep.study.view import StudyView

ONE_OBJECTIVE = [
    "history",
    "importances",
    "slices",
    "contour",
    "rank",
    "parallel",
    "edf",
    "intermediate",
    "trial_times",
]


def texts(view: StudyView, folder: Path) -> dict[str, str]:
    """Name of each figure -> its text for readers who cannot see it."""
    figures = list(draw_search(view._replace(directory=folder)))
    assert {figure.section for figure in figures} <= {SEARCH}
    assert sorted(figure.path for figure in figures) == sorted(folder.glob("*.png"))
    return {figure.path.stem.removeprefix("search_"): figure.alt for figure in figures}


def ped_anova(study: optuna.Study) -> dict[str, float]:
    """Optuna's importances, of the best tenth of the trials but of at least five."""
    n = sum(trial.state.name == "COMPLETE" for trial in study.trials)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, 5 / n))
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def plane(trial: Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


def line(trial: Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_categorical("same", [7])


def conflict(trial: Trial) -> tuple[float, float]:
    x = trial.suggest_float("x", 0, 1)
    return x + trial.suggest_float("y", 0, 1), 1 - x


def cube(trial: Trial) -> tuple[float, float, float]:
    return *conflict(trial), trial.suggest_float("z", 0, 1)


def fails(trial: Trial) -> float:
    raise ValueError(trial.suggest_float("x", 0, 1))


def swept(trial: Trial) -> float:
    return 10.0 + trial.suggest_categorical("vae.lambda", [0, 1, 100])


class Drawn(NamedTuple):
    """A search of 60 trials, some of them pruned, whose figures are drawn once for the tests that look at them."""

    study: optuna.Study
    folder: Path
    texts: dict[str, str]
    before: tuple[Any, ...]
    """What belongs to the user of Matplotlib before the first figure is drawn."""
    after: list[tuple[Any, ...]]
    """The same after each figure and in the end."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    study = searched(bowl, 60, pruner=optuna.pruners.MedianPruner(n_startup_trials=30))
    folder, found, after = tmp_path_factory.mktemp("drawn"), {}, []
    pyplot.switch_backend("svg")
    own = pyplot.figure()
    try:
        before = of_matplotlib()
        for figure in draw_search(view_of(study, "valid/loss")._replace(directory=folder)):
            found[figure.path.stem.removeprefix("search_")] = figure.alt
            after.append(of_matplotlib())
        after.append(of_matplotlib())
    finally:
        pyplot.close(own)
        pyplot.switch_backend("agg")
    return Drawn(study, folder, found, before, after)


def of_matplotlib() -> tuple[Any, ...]:
    """The numbers of the open figures and of the current one, the backend and the settings."""
    return pyplot.get_fignums(), pyplot.gcf().number, matplotlib.get_backend(), dict(matplotlib.rcParams)


def check_pictures(folder: Path, names: list[str]) -> None:
    for name in names:
        picture = np.asarray(Image.open(folder / f"search_{name}.png").convert("L"))
        assert picture.shape[1] > 600 and (picture < 128).mean() > 0.001  # dark points, lines and letters


@pytest.mark.parametrize(
    ("objective", "n_trials", "n_objectives", "expected"),
    [
        (bowl, 0, 1, []),
        (bowl, 1, 1, []),
        (fails, 5, 1, ["trial_times"]),
        pytest.param(bowl, 15, 1, [name for name in ONE_OBJECTIVE if name != "importances"], marks=pytest.mark.slow),
        (swept, 4, 1, ["history", "slices", "edf", "trial_times"]),
        (line, 30, 1, ["history", "slices", "edf", "trial_times"]),
        (plane, 30, 1, ["history", "importances", "slices", "contour", "rank", "edf", "trial_times"]),
        (conflict, 30, 2, ["slices_1", "slices_2", "parallel", "pareto", "trial_times"]),
        (cube, 30, 3, ["importances", "slices_1", "slices_2", "slices_3", "parallel", "pareto", "trial_times"]),
    ],
)
def test_a_study_has_the_figures_that_show_something(
    objective: Callable[[Trial], float], n_trials: int, n_objectives: int, expected: list[str], tmp_path: Path
) -> None:
    never = optuna.pruners.NopPruner()
    study = searched(objective, n_trials, directions=["minimize"] * n_objectives, pruner=never)
    assert list(texts(view_of(study), tmp_path)) == expected
    check_pictures(tmp_path, expected)


def test_a_search_with_one_objective_has_all_its_figures(drawn: Drawn) -> None:
    assert list(drawn.texts) == ONE_OBJECTIVE
    check_pictures(drawn.folder, ONE_OBJECTIVE)


def test_runs_with_known_times_have_a_timeline(tmp_path: Path) -> None:
    times = [[(0.0, 4.0)], [(1.0, 3.0)], [(3.0, 7.0)], []]
    found = texts(view_of(searched(swept, 4), times=times), tmp_path)
    assert "3 runs in 2 slots, 7 s, slots idle 29% of the time." in found["timeline"]


def test_the_numbers_are_optunas(drawn: Drawn) -> None:
    study, found = drawn.study, drawn.texts
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    n_pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    assert n_pruned > 0
    assert f"{len(complete)} complete, {n_pruned} pruned, 1 failed trials" in found["history"]
    assert f"begins at {complete[0].value:.5g} and ends at a best of {study.best_value:.5g}." in found["history"]
    # Over a grid of this bowl's points the shares are: model 51 %, lr 47 %, width 2 %.
    assert "(PED-ANOVA). model " in found["importances"]
    assert f"%); estimated from {len(complete)} trials." in found["importances"]
    assert f"valid/loss of 59 trials by step, {n_pruned} of them pruned." in found["intermediate"]


@pytest.mark.parametrize("name", ["valid/neg_elbo", "valid/mutual_information_per_unit"])
def test_an_objective_has_one_name_in_sentence_tables_files_and_axes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(searched(swept, 6), name)._replace(directory=tmp_path)
    view.config.table = []
    labels: list[str] = []

    def read_labels(path: Path) -> None:
        labels.extend(axis.get_label_text() for panel in pyplot.gcf().axes for axis in (panel.xaxis, panel.yaxis))

    monkeypatch.setattr("hwsweep.report.search.pictures.save_current", read_labels)
    charts = [json.loads(gzip.decompress(each.chart))["layout"] for each in draw_search(view) if each.chart]
    assert labels.count(name) == 3  # history, slices, edf
    assert sum(f'"text": "{name}"' in json.dumps(layout) for layout in charts) == 3
    assert f"{name} (lower is better)" in question(view) and f": {name} = 1" in answer(view, {})[0]
    assert name in trials_table(view).columns and name in results_csv(view).splitlines()[0].split(",")
    console = Console(file=io.StringIO(), width=200)
    print_table(view, console)
    group, quantity = (line.split() for line in console.file.getvalue().splitlines()[2:4])  # type: ignore[attr-defined]
    assert f"{group[0]}{quantity[1]}" == name


def test_the_best_of_a_maximised_objective_is_the_highest(tmp_path: Path) -> None:
    values = [3.0, 1.0, 4.0, 1.5]
    study = searched(lambda trial: values[trial.number], 4, directions=["maximize"])
    assert "begins at 3 and ends at a best of 4." in texts(view_of(study), tmp_path)["history"]


def test_the_front_and_the_most_important_parameter_of_two_objectives_are_optunas(tmp_path: Path) -> None:
    study = searched(conflict, 40, directions=["minimize", "maximize"])
    found = texts(view_of(study, ["error", "accuracy"]), tmp_path)
    front = sorted(trial.number for trial in study.best_trials)
    numbers = ", ".join(map(str, front[:8]))
    assert f"{len(front)} of 40 trials on the front: {numbers}." in found["pareto"]
    assert next(iter(ped_anova(study))) == "x" and "(PED-ANOVA). x " in found["importances"]
    assert "x, y against accuracy, 40 trials." in found["slices_2"] or "y, x against accuracy" in found["slices_2"]


def test_infinite_values_are_left_out(tmp_path: Path) -> None:
    values = [2.0, float("inf"), 1.0, float("-inf")]

    def objective(trial: Trial) -> float:
        trial.suggest_float("x", 0, 1)
        return values[trial.number]

    found = texts(view_of(searched(objective, 4)), tmp_path)
    assert "2 complete" in found["history"] and "ends at a best of 1." in found["history"]
    assert "x against value, 2 trials." in found["slices"]


def test_keys_that_end_alike_keep_their_whole_names(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        return trial.suggest_float("model.lr", 0, 1) + trial.suggest_float("optimizer.lr", 0, 1)

    assert "model.lr, optimizer.lr against" in texts(view_of(searched(objective, 3)), tmp_path)["slices"]


@pytest.mark.slow
def test_the_most_important_of_many_parameters_are_in_the_figures(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        parts = [trial.suggest_float(f"model.part{index}", 0, 1) for index in range(14)]
        return 20 * parts[13] + sum(parts)

    found = texts(view_of(searched(objective, 60)), tmp_path)
    assert re.search(r"plot for each\. part13(, part\d+){5} against", found["slices"])
    assert re.search(r"1985\)\. part13(, part\d+){8}, value; 60 trials\.", found["parallel"])


@pytest.mark.parametrize(
    "objective",
    ["valid/loss $x^", pytest.param("loss $\\frac$ that has a very long name", marks=pytest.mark.slow)],
)
def test_names_and_values_of_any_spelling_can_be_drawn(objective: str, tmp_path: Path) -> None:
    files = ["/data/images/a.png", "$^$", "c$^", "数字", "true"]

    def conditional(trial: Trial) -> float:
        name = trial.suggest_categorical("dataset.files", files)
        width = trial.suggest_int("width", 1, 9) if name != "true" else 0
        return len(name) + width + trial.suggest_categorical("flag", [False, True])

    study = searched(conditional, 15)
    expected = ["history", "slices", "contour", "rank", "parallel", "edf", "trial_times"]
    assert list(texts(view_of(study, objective), tmp_path)) == expected


def test_a_few_huge_values_do_not_hide_the_others(tmp_path: Path) -> None:
    """On a linear axis 29 of the 30 dots, which are about 15 pixels high, would stand in one row."""

    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        return 1e6 if trial.number == 7 else 100**x

    texts(view_of(searched(objective, 30)), tmp_path)
    picture = np.asarray(Image.open(tmp_path / "search_history.png").convert("RGB")).astype(int)
    blue = np.abs(picture - [31, 119, 180]).sum(2) < 30  # Optuna's colour of a trial
    assert len(np.flatnonzero(blue.any(1))) > 100


def test_matplotlib_is_as_it_was_before(drawn: Drawn) -> None:
    assert drawn.before[2] == "svg" and len(drawn.after) == len(ONE_OBJECTIVE) + 1
    assert all(state == drawn.before for state in drawn.after)


@pytest.mark.slow
def test_a_thousand_trials_are_drawn_within_half_a_minute_of_processor_time(tmp_path: Path) -> None:
    rng = random.Random(0)
    study = optuna.create_study()
    spread = optuna.distributions.FloatDistribution(0, 1)
    points = [{key: rng.random() for key in "abcd"} for _ in range(1000)]
    study.add_trials(
        optuna.trial.create_trial(
            value=sum(point.values()),
            params=point,
            distributions=dict.fromkeys(point, spread),
            intermediate_values={epoch: rng.random() for epoch in range(10)},
        )
        for point in points
    )
    view = view_of(study)
    start = time.process_time()
    found = texts(view, tmp_path)
    assert time.process_time() - start < 30
    assert list(found) == ONE_OBJECTIVE and "300 trials by step" in found["intermediate"]
