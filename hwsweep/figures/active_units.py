"""How far each latent's code moves with the image: histograms of the active-unit statistic, lambda by lambda."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from hwsweep.figures.drawing import BLACK, colour_of
from hwsweep.figures.sweep_runs import RunNumbers, by_lambda

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 1
THRESHOLD = 0.01
"""A latent above it is active (Burda et al. 2016, arXiv:1509.00519, sec. 5.2); conf's default too."""
_PER_DECADE = 5  # bins
_LOWEST = 1e-6  # of the axis; a smaller statistic is counted in the first bin
_ROW = 0.075  # height of a run's row as a share of the width


class ActiveUnitsInfo(NamedTuple):
    """One histogram per run, lambda growing downwards."""

    titles: np.ndarray
    colours: np.ndarray
    edges: Float64[np.ndarray, " bins+1"]
    """Of the bins, each without its lower and with its upper edge; the threshold is one of them."""
    counts: Int64[np.ndarray, "runs bins"]
    """Latents per bin; the first holds all smaller statistics too."""


def info(runs: Sequence[RunNumbers]) -> ActiveUnitsInfo:
    """Every run's latents by the variance of their posterior mean (1 is the prior's).

    Raises:
        ValueError: no run.
    """
    runs = by_lambda(runs)
    highest = max(10.0, *(float(run.active_unit_statistic.max()) for run in runs))
    below, above = (math.ceil(_PER_DECADE * abs(math.log10(end / THRESHOLD))) for end in (_LOWEST, highest))
    edges = THRESHOLD * 10 ** (np.arange(-below, above + 1) / _PER_DECADE)
    counts = [np.searchsorted(edges[1:-1], run.active_unit_statistic, side="left") for run in runs]
    return ActiveUnitsInfo(
        titles=np.array([run.title for run in runs]),
        colours=np.array([colour_of(run.kl_weight) for run in runs]),
        edges=edges,
        counts=np.array([np.bincount(bins, minlength=len(edges) - 1) for bins in counts]),
    )


def draw(info: ActiveUnitsInfo, axes: Sequence[Axes]) -> None:
    """A row per run, all on one scale; right of it how many latents lie above the dashed threshold."""
    (axis,) = axes
    runs, highest = len(info.counts), int(info.counts.max())
    ground = np.arange(runs)[::-1]
    for level, counts, colour in zip(ground, info.counts, info.colours, strict=True):
        axis.stairs(level + 0.9 * counts / highest, info.edges, baseline=level, fill=True, color=colour, alpha=0.85)
    axis.hlines(ground, info.edges[0], info.edges[-1], color="#CCCCCC", linewidth=0.8)
    axis.axvline(THRESHOLD, color=BLACK, linestyle="--", linewidth=1)
    axis.set_xscale("log")
    axis.set_xlim(info.edges[0], info.edges[-1])
    axis.set_ylim(-0.05, runs)
    axis.set_box_aspect(_ROW * runs + 0.04)
    axis.grid(False, axis="y")
    axis.spines["left"].set_visible(False)
    axis.set_xlabel("variance over test images of a latent's posterior mean (the prior's variance is 1)")
    axis.set_yticks(ground + 0.3, info.titles)
    axis.tick_params("y", length=0)
    for label, colour in zip(axis.get_yticklabels(), info.colours, strict=True):
        label.set_color(colour)
    _numbers(axis, info, ground + 0.3, highest)


def _numbers(axis: Axes, info: ActiveUnitsInfo, heights: Float64[np.ndarray, " runs"], highest: int) -> None:
    """What the axes do not say: active units of each run, the threshold, and the scale of heights."""
    beside = axis.get_yaxis_transform()
    small: dict[str, Any] = {"fontsize": 8, "textcoords": "offset points"}
    active = info.counts[:, info.edges[:-1] >= THRESHOLD].sum(1)
    for height, above, latents in zip(heights, active, info.counts.sum(1), strict=True):
        axis.text(1.01, height, f"{above} of {latents} active", transform=beside, va="center")
    axis.annotate(f"active: above {THRESHOLD:g}", (THRESHOLD, len(heights)), (4, 3), **small)
    axis.annotate(f"tallest bar: {highest} latents", (1, len(heights)), (0, 3), xycoords=beside, ha="right", **small)
