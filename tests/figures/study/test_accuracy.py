"""The accuracies of several studies: a row for each, a point per trial."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from hwsweep.figures.study import accuracy

TRIALS = {"a": [(0.25, 0.5, 0.125), (0.75, 0.625, 0.25)], "b": [(0.5, math.nan, math.nan)]}


def test_every_trial_is_in_the_row_of_its_study() -> None:
    info = accuracy.info(TRIALS)
    assert info.studies.tolist() == ["a", "b"] and info.row.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(info.accuracy, [0.25, 0.75, 0.5])
    np.testing.assert_array_equal(info.baseline, [0.5, 0.625, math.nan])
    np.testing.assert_array_equal(info.chance, [0.125, 0.25, math.nan])


def test_the_best_trial_of_each_study_the_baselines_and_chance_are_marked() -> None:
    axis = Figure().subplots()
    accuracy.draw(accuracy.info(TRIALS), [axis])
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["trial"].get_xydata().tolist() == [[0.25, 0], [0.75, 0], [0.5, 1]]
    assert lines["best trial on the test split"].get_xydata().tolist() == [[0.75, 0], [0.5, 1]]
    assert lines["TF-IDF baseline"].get_xydata()[:2].tolist() == [[0.5, 0], [0.625, 0]]
    assert lines["chance: the most frequent class"].get_xydata()[:2].tolist() == [[0.125, 0], [0.25, 0]]
    assert [text.get_text() for text in axis.texts] == ["75.0%", "50.0%"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    top, bottom = sorted(axis.get_ylim())
    assert axis.yaxis_inverted() and top < 0 and bottom > 1


def test_without_a_baseline_none_is_in_the_legend() -> None:
    axis = Figure().subplots()
    accuracy.draw(accuracy.info({"a": [(0.5, math.nan, math.nan)], "b": [(0.25, math.nan, math.nan)]}), [axis])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["trial", "best trial on the test split"]
