"""How much each latent's posterior mean varies over images: histograms of the active-unit statistic, per lambda."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import BLACK, name_rows
from hwsweep.figures.sweep_runs import RunNumbers, colours, sort_by_lambda, titles

PANELS = 1
THRESHOLD = 0.01
"""A latent above it is active (Burda et al. 2016, arXiv:1509.00519, sec. 5.2); also the default of conf."""
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


def info(runs: Sequence[RunNumbers]) -> ActiveUnitsInfo:
    """The latents of every run by the variance of their posterior mean (the prior's variance is 1).

    Raises:
        ValueError: no run.
    """
    runs = sort_by_lambda(runs)
    highest = max(10.0, *(float(run.active_unit_statistic.max()) for run in runs))
    below, above = (math.ceil(_PER_DECADE * abs(math.log10(end / THRESHOLD))) for end in (_LOWEST, highest))
    edges = THRESHOLD * 10 ** (np.arange(-below, above + 1) / _PER_DECADE)
    counts = [np.searchsorted(edges[1:-1], run.active_unit_statistic, side="left") for run in runs]
    return ActiveUnitsInfo(
        titles=titles(runs),
        colours=colours(runs),
        edges=edges,
        counts=np.array([np.bincount(bins, minlength=len(edges) - 1) for bins in counts]),
    )


def draw(info: ActiveUnitsInfo, axes: Sequence[Axes]) -> None:
    """A row per run, all on one scale; on the right the number of latents above the dashed threshold."""
    (axis,) = axes
    runs, highest = len(info.counts), int(info.counts.max())
    baselines = np.arange(runs)[::-1]
    for level, counts, colour in zip(baselines, info.counts, info.colours, strict=True):
        axis.stairs(level + 0.9 * counts / highest, info.edges, baseline=level, fill=True, color=colour, alpha=0.85)
    axis.hlines(baselines, info.edges[0], info.edges[-1], color="#CCCCCC", linewidth=0.8)
    axis.axvline(THRESHOLD, color=BLACK, linestyle="--", linewidth=1)
    axis.set_xscale("log")
    axis.set_xlim(info.edges[0], info.edges[-1])
    axis.set_ylim(-0.05, runs)
    axis.set_box_aspect(_ROW * runs + 0.04)
    axis.grid(False, axis="y")
    axis.set_xlabel("variance over test images of a latent's posterior mean (the prior's variance is 1)")
    name_rows(axis, baselines + 0.3, info.titles, info.colours)
    _annotate(axis, info, baselines + 0.3, highest)


def _annotate(axis: Axes, info: ActiveUnitsInfo, heights: Float64[np.ndarray, " runs"], highest: int) -> None:
    """Write the number of active units of each run, the threshold, and the scale of heights."""
    beside = axis.get_yaxis_transform()
    small: dict[str, Any] = {"fontsize": 8, "textcoords": "offset points"}
    active = info.counts[:, info.edges[:-1] >= THRESHOLD].sum(1)
    for height, above, latents in zip(heights, active, info.counts.sum(1), strict=True):
        axis.text(1.01, height, f"{above} of {latents} active", transform=beside, va="center")
    axis.annotate(f"active: above {THRESHOLD:g}", (THRESHOLD, len(heights)), (4, 3), **small)
    axis.annotate(f"tallest bar: {highest} latents", (1, len(heights)), (0, 3), xycoords=beside, ha="right", **small)
