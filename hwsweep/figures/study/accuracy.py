"""Test accuracy of each trial of several studies, of the baseline that it was compared with, and of chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import BLACK, BLUE, GREY, VERMILLION, name_rows

PANELS = 1
_ROW_HEIGHT = 0.12  # by the width of the axis
_FONT = 14  # points: the figure is the first one of a page, also on a phone


class AccuracyInfo(NamedTuple):
    """Shares of the test texts; a point per trial."""

    studies: np.ndarray
    """Names, from the top."""
    row: Int64[np.ndarray, " trials"]
    """The study of each trial."""
    accuracy: Float64[np.ndarray, " trials"]
    baseline: Float64[np.ndarray, " trials"]
    """NaN without a baseline."""
    chance: Float64[np.ndarray, " trials"]
    """The share of the most frequent class; NaN where it was not measured."""


def info(trials: Mapping[str, Sequence[tuple[float, float, float]]]) -> AccuracyInfo:
    """The points of these studies.

    Args:
        trials: by the name of the study, (accuracy, accuracy of the baseline, chance) of each trial.
    """
    points = np.array([point for study in trials.values() for point in study], dtype=np.float64).reshape(-1, 3)
    row = np.repeat(np.arange(len(trials)), [len(study) for study in trials.values()])
    return AccuracyInfo(np.array(list(trials)), row.astype(np.int64), *points.T)


def draw(info: AccuracyInfo, axes: Sequence[Axes]) -> None:
    """A row per study: its trials as points, the best one in red, baselines and chance as upright lines."""
    (axis,) = axes
    axis.plot(info.accuracy, info.row, "o", color=BLUE, alpha=0.5, markersize=6, label="trial")
    best = [max(np.flatnonzero(info.row == row), key=lambda trial: info.accuracy[trial]) for row in np.unique(info.row)]
    axis.plot(
        info.accuracy[best], info.row[best], "o", color=VERMILLION, markersize=8, label="best trial on the test split"
    )
    for trial in best:
        place = (info.accuracy[trial], info.row[trial])
        axis.annotate(
            f"{info.accuracy[trial]:.1%}", place, (0, 9), textcoords="offset points", ha="center", fontsize=_FONT
        )
    levels = {"TF-IDF baseline": (info.baseline, BLACK), "chance: the most frequent class": (info.chance, GREY)}
    for name, (level, colour) in levels.items():
        if np.isfinite(level).any():
            axis.plot(level, info.row, "|", color=colour, markersize=22, markeredgewidth=1.5, label=name)
    name_rows(axis, np.arange(len(info.studies)), info.studies, [BLACK] * len(info.studies))
    axis.set_xlabel("accuracy on the test split", fontsize=_FONT)
    axis.set_ylim(len(info.studies) - 0.4, -0.6)
    axis.tick_params(labelsize=_FONT)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.grid(axis="y", color=GREY, alpha=0.3)
    axis.set_box_aspect(_ROW_HEIGHT * (len(info.studies) + 1))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=2, fontsize=_FONT)
