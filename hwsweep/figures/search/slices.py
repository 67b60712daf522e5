"""What each parameter alone did: values against the objective, a small plot for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from hwsweep.figures.search.scale import Scale, scale_of
from hwsweep.figures.search.trials import completed, keys, names, objectives, spiked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.sweep.view import StudyView

PANELS = 1
_MOST = 12  # parameters
_COLUMNS = 3
_GAP, _HEIGHT, _BELOW = 0.08, 0.24, 0.14  # as shares of the width: between plots, of a plot, for the text below it


class SlicesInfo(NamedTuple):
    """A plot per parameter and objective: `names[i]` and `scales[i]` for each of the objectives."""

    names: list[str]
    scales: list[Scale]
    objectives: list[str]
    logs: list[bool]
    values: Float64[np.ndarray, "objectives trials"]
    number: Int64[np.ndarray, " trials"]


def info(view: StudyView) -> SlicesInfo | None:
    """The first 12 parameters that vary among the complete trials; None if there is none."""
    trials = completed(view)
    varied = keys(trials)[:_MOST]
    if not varied:
        return None
    values = np.array([trial.values for trial in trials]).T
    return SlicesInfo(
        names=names(varied),
        scales=[scale_of(view, trials, key) for key in varied],
        objectives=objectives(view),
        logs=[spiked(row) for row in values],
        values=values,
        number=np.array([trial.number for trial in trials]),
    )


def draw(info: SlicesInfo, axes: Sequence[Axes]) -> None:
    """Plots in rows of three, later trials darker."""
    (page,) = axes
    panels = [(i, k) for i in range(len(info.objectives)) for k in range(len(info.names))]
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    height, width = rows * (_HEIGHT + _BELOW), (1 - _GAP * (columns - 1)) / columns
    page.set_axis_off()
    page.set_box_aspect(height)
    for place, (objective, parameter) in enumerate(panels):
        row, column = divmod(place, columns)
        bottom = height - (row + 1) * _HEIGHT - row * _BELOW
        axis = page.inset_axes((column * (width + _GAP), bottom / height, width, _HEIGHT / height))
        _draw_one(axis, info, objective, parameter)


def _draw_one(axis: Axes, info: SlicesInfo, objective: int, parameter: int) -> None:
    scale = info.scales[parameter]
    order = np.linspace(0.2, 1, len(info.number))  # of the trials, as a share of the colour map
    axis.scatter(scale.positions, info.values[objective], c=order, cmap="Blues", vmin=0, vmax=1, s=10, linewidth=0)
    scale.show_on(axis.xaxis)
    if info.logs[objective]:
        axis.set_yscale("log")
    axis.set_xlabel(info.names[parameter])
    axis.set_ylabel(info.objectives[objective], fontsize=8)
    axis.tick_params("y", labelsize=7)
