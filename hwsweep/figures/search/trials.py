"""Shared by the figures of a search: the trials with finite values, labels, colours and axes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import BLUE, ORANGE, VERMILLION
from hwsweep.sweep.study.view import StudyView, TrialView

COLOURS = {"complete": BLUE, "pruned": ORANGE, "failed": VERMILLION}
"""State -> colour, in the order of a legend."""

_LONGEST = 20  # characters of a name beside an axis
_SPIKE = 20.0  # times the median; a linear axis would show nothing but the spike


class Search(NamedTuple):
    """The complete trials of a study whose values are all finite: an axis has no place for others."""

    trials: list[TrialView]
    number: Int64[np.ndarray, " trials"]
    values: Float64[np.ndarray, "trials objectives"]
    objectives: list[str]
    """The name of each objective, as a label."""
    keys: list[str]
    """The parameters that take more than one value, in the order of the command line."""


def search_of(view: StudyView) -> Search:
    """The study's trials with finite values, by number."""
    trials = [trial for trial in view.complete_trials if all(map(math.isfinite, trial.values))]
    values: dict[str, set[str]] = {}
    for trial in trials:
        for key, value in trial.params.items():
            values.setdefault(key, set()).add(str(value))
    return Search(
        trials,
        number=np.array([trial.number for trial in trials], dtype=np.int64),
        values=np.array([trial.values for trial in trials], dtype=np.float64).reshape(-1, len(view.directions)),
        objectives=[label(name) for name in view.objective_names],
        keys=[key for key in values if len(values[key]) > 1],
    )


def most_important(view: StudyView, keys: list[str], size: int) -> list[str]:
    """All of these parameters if they are at most `size`; else the most important ones."""
    from hwsweep.sweep.study.importance import importances

    if len(keys) <= size:
        return keys
    shares = importances(view)
    return sorted(keys, key=lambda key: -shares.get(key, 0.0))[:size]


def key_labels(keys: Iterable[str]) -> list[str]:
    """The last part of each key, or the whole key where two last parts are the same."""
    last_parts = {key: key.rpartition(".")[2] for key in keys}
    counts = Counter(last_parts.values())
    return [label(part if counts[part] == 1 else key) for key, part in last_parts.items()]


def label(text: str) -> str:
    """The text for Matplotlib: dollar signs begin no formula, and the middle of a long text is left out."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[1 - _LONGEST // 2 :]}"
    return text.replace("$", r"\$")


def spiked(values: Float64[np.ndarray, " values"]) -> bool:
    """Whether a few large values ask for a logarithmic axis."""
    return values.size > 0 and bool(values.min() > 0) and bool(values.max() > _SPIKE * np.median(values))


def finish(axis: Axes, x_label: str, y_label: str) -> None:
    """Labels, integer ticks and a legend above the axis."""
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
