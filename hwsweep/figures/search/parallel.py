"""All parameters and objectives of each trial at once: parallel coordinates (Inselberg 1985)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hwsweep.figures.search.scale import Scale, scale_of, scale_of_numbers
from hwsweep.figures.search.trials import key_labels, most_important, search_of, spiked
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MIN_AXES = 4  # a contour plot shows two parameters and one objective better
_MAX = 9  # parameters
_MAX_LINES = 300
_ABSENT = -0.12  # height of a line on an axis whose parameter the trial does not have


class ParallelInfo(NamedTuple):
    """A line per trial, the best one last."""

    names: list[str]
    """Of the parameters, then of the objectives."""
    scales: list[Scale]
    height: Float64[np.ndarray, "trials axes"]
    """0 at the bottom of an axis, 1 at its top; NaN where a trial has no such parameter."""
    rank: Float64[np.ndarray, " trials"]
    """Of the first objective: 0 is the worst trial, 1 the best."""
    first: str
    """The first objective."""
    trials: int
    """All trials; at most 300 are drawn."""


def info(view: StudyView) -> ParallelInfo | None:
    """Complete trials on at most 9 parameters; None with fewer than four axes."""
    trials, _, values, objectives, keys = search_of(view)
    if not keys or len(keys) + len(view.directions) < _MIN_AXES:
        return None
    keys = most_important(view, keys, _MAX)
    scales = [scale_of(view, trials, key) for key in keys]
    scales += [scale_of_numbers(column, spiked(column)) for column in values.T]
    height = np.stack([_height(scale) for scale in scales], axis=1)
    worst_first = np.argsort(-values[:, 0] if view.directions[0] == "minimize" else values[:, 0], kind="stable")
    drawn = np.unique(np.linspace(0, len(trials) - 1, min(len(trials), _MAX_LINES)).round().astype(int))
    return ParallelInfo(
        names=[*key_labels(keys), *objectives],
        scales=scales,
        height=height[worst_first][drawn],
        rank=drawn / (len(trials) - 1),
        first=objectives[0],
        trials=len(trials),
    )


def draw(info: ParallelInfo, axes: Sequence[Axes]) -> None:
    """Vertical axes side by side; the better the first objective, the darker the line."""
    (axis,) = axes
    positions = np.arange(len(info.names), dtype=np.float64)
    height = np.where(np.isnan(info.height), _ABSENT, info.height)
    lines = np.stack([np.broadcast_to(positions, height.shape), height], axis=2)
    colours = colormaps["viridis_r"](0.05 + 0.95 * info.rank)
    widths = 0.6 + 1.2 * (info.rank > 0.9)
    axis.add_collection(
        LineCollection(list(lines), colors=colours, linewidths=widths, alpha=0.7 if len(height) <= 100 else 0.4)
    )
    axis.set_box_aspect(0.45)
    axis.set_xlim(0, positions[-1])
    axis.set_ylim(_ABSENT - 0.03 if np.isnan(info.height).any() else -0.03, 1.03)
    axis.set_xticks(positions, info.names, rotation=20 if len(positions) > 6 else 0)
    axis.set_yticks([])
    axis.grid(False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.vlines(positions, 0, 1, color="#333333", linewidth=1)
    for position, scale in zip(positions, info.scales, strict=True):
        span = scale.high - scale.low or 1
        for tick, label in zip(scale.ticks, scale.labels, strict=True):
            axis.annotate(
                label,
                (position, (tick - scale.low) / span),
                (3, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
            )
    axis.set_xlabel(f"{len(info.height)} of {info.trials} trials; the better {info.first}, the darker", fontsize=8)


def summary(info: ParallelInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    return f"{', '.join(info.names)}; {info.trials} trials"


def _height(scale: Scale) -> Float64[np.ndarray, " trials"]:
    return (scale.positions - scale.low) / (scale.high - scale.low or 1)
