"""The effect of each parameter alone: the objective against its values, a small plot for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.search.scale import Scale, scale_of
from hwsweep.figures.search.trials import key_labels, most_important, search_of, spiked
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MAX = 6  # plots
_COLUMNS = 3
_SHADES = ("#A6CBE3", "#4A9CCB", "#08467A")  # of the first, the second and the last third of the trials
_GAP, _HEIGHT, _BELOW = (
    0.08,
    0.24,
    0.14,
)  # shares of the width: between plots, of a plot, of the text below it


class SlicesInfo(NamedTuple):
    """A plot per parameter and objective: `names[i]` and `scales[i]` for each of the objectives."""

    names: list[str]
    scales: list[Scale]
    objectives: list[str]
    logs: list[bool]
    values: Float64[np.ndarray, "objectives trials"]
    number: Int64[np.ndarray, " trials"]


def info(view: StudyView) -> SlicesInfo | None:
    """At most 6 parameters (fewer with several objectives) that vary in complete trials; None if none does."""
    trials, number, values, objectives, keys = search_of(view)
    keys = most_important(view, keys, max(1, _MAX // len(objectives)))
    if not keys:
        return None
    scales = [scale_of(view, trials, key) for key in keys]
    return SlicesInfo(key_labels(keys), scales, objectives, [spiked(row) for row in values.T], values.T, number)


def draw(info: SlicesInfo, axes: Sequence[Axes]) -> None:
    """Plots in rows of at most three; later trials are darker."""
    (page,) = axes
    panels = [(i, k) for i in range(len(info.objectives)) for k in range(len(info.names))]
    columns = min(_COLUMNS, len(info.names))
    rows = math.ceil(len(panels) / columns)
    height, width = rows * (_HEIGHT + _BELOW) - _BELOW, (1 - _GAP * (columns - 1)) / columns
    page.set_axis_off()
    page.set_box_aspect(height)
    page.set_title("later trials are darker", fontsize=8, loc="right")
    for index, (objective, parameter) in enumerate(panels):
        row, column = divmod(index, columns)
        bottom = height - (row + 1) * _HEIGHT - row * _BELOW
        axis = page.inset_axes((column * (width + _GAP), bottom / height, width, _HEIGHT / height))
        _draw_one(axis, info, objective, parameter)


def summary(info: SlicesInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    return f"{', '.join(info.names)} against {', '.join(info.objectives)}, {len(info.number)} trials"


def _draw_one(axis: Axes, info: SlicesInfo, objective: int, parameter: int) -> None:
    scale = info.scales[parameter]
    shades = zip(_SHADES, np.array_split(np.arange(len(info.number)), len(_SHADES)), strict=True)
    for colour, third in shades:
        axis.plot(scale.positions[third], info.values[objective, third], "o", color=colour, markersize=3, mew=0)
    scale.show_on(axis.xaxis)
    if info.logs[objective]:
        axis.set_yscale("log")
    axis.set_xlabel(info.names[parameter])
    axis.set_ylabel(info.objectives[objective], fontsize=8)
    axis.tick_params("y", labelsize=7)
