"""How much each latent's posterior mean varies over images: histograms of the active-unit statistic, per lambda."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import BLACK, name_rows
from hwsweep.figures.study.sweep_runs import RunNumbers, colours, sort_by_lambda, titles

PANELS = 1
THRESHOLD = 0.01
"""A latent above it is active (Burda et al. 2016, arXiv:1509.00519, sec. 5.2); also the default of conf."""
THRESHOLDS = (0.003, THRESHOLD, 0.03)
"""For which active latents are counted, to show how much the number depends on the threshold."""
_PER_DECADE = 5  # bins
_LOWEST = 1e-6  # of the axis; a smaller statistic counts in the first bin
_ROW = 0.075  # height of a run's row as a share of the width


class ActiveUnitsInfo(NamedTuple):
    """One histogram per run, lambda rising downwards."""

    titles: np.ndarray
    colours: np.ndarray
    edges: Float64[np.ndarray, " bins+1"]
    """Edges of the bins, one of which is the threshold; a bin contains its upper edge, not its lower one."""
    counts: Int64[np.ndarray, "runs bins"]
    """Latents per bin; the first bin also counts all smaller statistics."""
    active: Int64[np.ndarray, "runs thresholds"]
    """Latents whose statistic exceeds each of `THRESHOLDS`."""


def info(runs: Sequence[RunNumbers]) -> ActiveUnitsInfo:
    """The latents of every run by the variance of their posterior mean (the prior's variance is 1).

    A run with too few test images to measure a variance has none.

    Raises:
        ValueError: no run.
    """
    runs = sort_by_lambda(runs)
    statistics = [run.active_unit_statistic[np.isfinite(run.active_unit_statistic)] for run in runs]
    highest = max(10.0, *(float(statistic.max(initial=0)) for statistic in statistics))
    below, above = (math.ceil(_PER_DECADE * abs(math.log10(end / THRESHOLD))) for end in (_LOWEST, highest))
    edges = THRESHOLD * 10 ** (np.arange(-below, above + 1) / _PER_DECADE)
    bins = [np.searchsorted(edges[1:-1], statistic, side="left") for statistic in statistics]
    return ActiveUnitsInfo(
        titles=titles(runs),
        colours=colours(runs),
        edges=edges,
        counts=np.array([np.bincount(each, minlength=len(edges) - 1) for each in bins]),
        active=np.array([[(statistic > limit).sum() for limit in THRESHOLDS] for statistic in statistics]),
    )


def draw(info: ActiveUnitsInfo, axes: Sequence[Axes]) -> None:
    """A row per run, all on one scale; on the right the number of latents above the threshold and two others."""
    (axis,) = axes
    runs, highest = len(info.counts), max(1, int(info.counts.max()))
    baselines = np.arange(runs)[::-1]
    for level, counts, colour in zip(baselines, info.counts, info.colours, strict=True):
        axis.stairs(level + 0.9 * counts / highest, info.edges, baseline=level, fill=True, color=colour, alpha=0.85)
    axis.hlines(baselines, info.edges[0], info.edges[-1], color="#CCCCCC", linewidth=0.8)
    for limit in THRESHOLDS:
        axis.axvline(limit, color=BLACK, linestyle="--" if limit == THRESHOLD else ":", linewidth=1)
    axis.set_xscale("log")
    axis.set_xlim(info.edges[0], info.edges[-1])
    axis.set_ylim(-0.05, runs)
    axis.set_box_aspect(_ROW * runs + 0.04)
    axis.grid(False, axis="y")
    axis.set_xlabel("variance over test images of a latent's posterior mean (the prior's variance is 1)")
    name_rows(axis, baselines + 0.3, info.titles, info.colours)
    _annotate(axis, info, baselines + 0.3, highest)


def _annotate(axis: Axes, info: ActiveUnitsInfo, heights: Float64[np.ndarray, " runs"], highest: int) -> None:
    """Write the number of active units of each run for each threshold, the threshold, and the scale of heights."""
    beside = axis.get_yaxis_transform()
    small: dict[str, Any] = {"fontsize": 8, "textcoords": "offset points"}
    for column, limit in enumerate(THRESHOLDS):
        x = 1.06 + 0.07 * column
        axis.annotate(f"{limit:g}", (x, len(heights)), (0, 3), xycoords=beside, ha="right", **small)
        for height, number in zip(heights, info.active[:, column], strict=True):
            weight = "bold" if limit == THRESHOLD else "normal"
            axis.text(x, height, f"{number}", transform=beside, ha="right", va="center", weight=weight)
    for height, latents in zip(heights, info.counts.sum(1), strict=True):
        axis.text(x + 0.015, height, f"of {latents}", transform=beside, va="center")
    axis.annotate("active above", (1.02, len(heights)), (0, 14), xycoords=beside, **small)
    axis.annotate(f"active: above {THRESHOLD:g}", (THRESHOLD, len(heights)), (4, 3), **small)
    axis.annotate(f"tallest bar: {highest} latents", (0, len(heights)), (0, 3), xycoords=beside, **small)
