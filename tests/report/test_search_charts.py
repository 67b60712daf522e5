"""The charts of a search: each point belongs to the trial that its text names, and a large search is sampled."""

from __future__ import annotations

import gzip
import json
import math
import random
from typing import Any

import optuna
from optuna.trial import Trial
from optuna_studies import bowl, searched, view_of

from hwsweep.report.search import charts
from hwsweep.report.search.search_data import SearchData, complete, sample_text


def content(chart: bytes) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(gzip.decompress(chart))
    return read


def two(trial: Trial) -> tuple[float, float]:
    x = trial.suggest_float("vae.x<b>", 0, 1)
    return x + trial.suggest_float("y", 0, 1), 1 - x


def test_every_point_has_the_number_of_its_trial() -> None:
    study = searched(bowl, 30, pruner=optuna.pruners.NopPruner())
    search = SearchData(view_of(study, "valid/loss"))
    names = ["lr", "model", "width"]
    keys = {"lr": "optimizer.lr", "model": "model", "width": "vae.width"}
    for trace, name in zip(content(charts.slices(search, names, 0))["traces"], names, strict=True):
        for number, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True):
            trial = study.trials[number]
            assert str(x).strip("'") == str(trial.params[keys[name]]) and y == trial.value
    pair = ["lr", "width"]
    (dots,) = [each for each in content(charts.contour(search, pair, (None, "loss")))["traces"] if "customdata" in each]
    (ranks,) = [each for each in content(charts.rank(search, pair))["traces"] if "customdata" in each]
    for trace in (dots, ranks):
        for number, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True):
            assert (x, y) == (study.trials[number].params["optimizer.lr"], study.trials[number].params["vae.width"])


def test_the_lines_of_two_objectives_belong_to_their_trials() -> None:
    study = searched(two, 25, directions=["minimize", "maximize"])
    search = SearchData(view_of(study, ["error", "accuracy"]))
    lines = [
        each for each in content(charts.parallel(search, ["x<b>", "y"], (None, "")))["traces"] if "name" not in each
    ]
    lines = [each for each in lines if "customdata" in each]
    assert sorted(each["customdata"][0] for each in lines) == list(range(25))
    for index in (0, 1):
        values = [trial.values[index] for trial in study.trials]
        low, high = min(values), max(values)
        for line in lines:
            assert math.isclose(line["y"][index], (values[line["customdata"][0]] - low) / (high - low), abs_tol=1e-9)


def test_the_text_of_a_trial_has_its_numbers_and_no_tags_of_the_users() -> None:
    search = SearchData(view_of(searched(two, 3, directions=["minimize", "maximize"]), ["error", "<i>accuracy"]))
    lines = charts.hover_text(search, 2).split("<br>")
    trial = search.study.trials[2]
    assert lines[:3] == ["<b>trial 2</b>", f"error: {trial.values[0]:.5g}", f"&lt;i&gt;accuracy: {trial.values[1]:.5g}"]
    assert lines[3] == f"x&lt;b&gt; = {trial.params['x<b>']:.5g}"
    packed = gzip.decompress(charts.slices(search, ["x<b>"], 1)).decode()
    assert "<i>" not in packed and "x<b>" not in packed


def test_a_sample_keeps_the_best_the_records_and_the_numbers() -> None:
    rng = random.Random(0)
    values = [rng.random() for _ in range(200)]
    search = SearchData(view_of(searched(lambda trial: values[trial.number] + 0 * trial.suggest_float("x", 0, 1), 200)))
    shown = {trial.number: trial.value for trial in complete(search.sample(search.view.trials, 40))}
    assert len(shown) == 40 and all(values[number] == value for number, value in shown.items())
    records = {number for number in range(200) if values[number] == min(values[: number + 1])}
    best = sorted(range(200), key=values.__getitem__)[:4]
    assert records | set(best) <= set(shown)
    assert all(any(start <= number < start + 20 for number in shown) for start in range(0, 200, 20))
    assert search.sample(search.view.trials, 200) is search.study
    assert sample_text(40, 200) == " Shown: the best and an even sample, 40 of 200 trials." and sample_text(7, 7) == ""


def test_charts_of_the_same_trials_are_the_same_bytes() -> None:
    view = view_of(searched(bowl, 10))
    assert charts.history(SearchData(view)) == charts.history(SearchData(view))
