"""The joint effect of two parameters: the objective over their plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from hwsweep.figures.drawing import BLACK
from hwsweep.figures.search.scale import Scale, scale_of
from hwsweep.figures.search.trials import key_labels, search_of, spiked
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MIN_TRIALS = 6  # for a surface between the points


class ContourInfo(NamedTuple):
    """A point per trial that has both parameters."""

    names: list[str]
    scales: list[Scale]
    objective: str
    log: bool
    darker_is_lower: bool
    x: Float64[np.ndarray, " trials"]
    y: Float64[np.ndarray, " trials"]
    value: Float64[np.ndarray, " trials"]
    cells: Float64[np.ndarray, "rows columns"]
    """Means per pair of listed values, NaN without a trial; empty unless both parameters are listed."""


def info(view: StudyView) -> ContourInfo | None:
    """The plane of two parameters; None if not exactly two vary, or with several objectives."""
    search = search_of(view)
    trials = [trial for trial in search.trials if all(key in trial.params for key in search.keys)]
    if len(view.directions) > 1 or len(search.keys) != 2 or len(trials) < 2:
        return None
    x, y = scales = [scale_of(view, trials, key) for key in search.keys]
    value = np.array([trial.values[0] for trial in trials])
    return ContourInfo(
        names=key_labels(search.keys),
        scales=scales,
        objective=search.objectives[0],
        log=spiked(value),
        darker_is_lower=view.directions[0] == "minimize",
        x=x.positions,
        y=y.positions,
        value=value,
        cells=_means(x, y, value) if x.listed and y.listed else np.empty((0, 0)),
    )


def draw(info: ContourInfo, axes: Sequence[Axes]) -> None:
    """Cells for two lists, a surface for two intervals, else points alone; better values are darker."""
    (axis,) = axes
    colours = "viridis" if info.darker_is_lower else "viridis_r"
    low, high = float(info.value.min()), float(info.value.max())
    norm = LogNorm(low, high) if info.log else Normalize(low, high)
    if info.cells.size:
        axis.imshow(info.cells, cmap=colours, norm=norm, origin="lower", aspect="auto")
        axis.grid(False)
    elif _is_surface(info):
        axis.tricontourf(info.x, info.y, info.value, 14, cmap=colours, norm=norm)
    drawn = axis.scatter(
        info.x, info.y, c=info.value, cmap=colours, norm=norm, s=18, edgecolors="white", linewidths=0.6
    )
    best = info.value.argmin() if info.darker_is_lower else info.value.argmax()
    axis.scatter(info.x[best], info.y[best], marker="*", s=130, color="white", edgecolors=BLACK, label="best")
    for scale, side, name in zip(info.scales, (axis.xaxis, axis.yaxis), info.names, strict=True):
        scale.show_on(side)
        side.set_label_text(name)
    axis.set_box_aspect(0.6)
    axis.figure.colorbar(drawn, ax=axis, shrink=0.9, pad=0.02).set_label(info.objective)


def summary(info: ContourInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    low, high = info.value.min(), info.value.max()
    return f"{info.objective} over {' and '.join(info.names)}, {len(info.value)} trials, from {low:.5g} to {high:.5g}"


def _means(x: Scale, y: Scale, value: Float64[np.ndarray, " trials"]) -> Float64[np.ndarray, "rows columns"]:
    """The mean value of the trials in each cell."""
    sums, counts = np.zeros((2, len(y.ticks), len(x.ticks)))
    at = y.positions.astype(int), x.positions.astype(int)
    np.add.at(sums, at, value)
    np.add.at(counts, at, 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _is_surface(info: ContourInfo) -> bool:
    """Whether both scales are numeric and the points span an area."""
    if any(scale.listed for scale in info.scales):
        return False
    points = np.unique(np.stack([info.x, info.y]), axis=1)
    rank = int(np.linalg.matrix_rank(points - points.mean(1, keepdims=True)))
    return points.shape[1] >= _MIN_TRIALS and rank == 2
