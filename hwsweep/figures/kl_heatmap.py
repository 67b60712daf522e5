"""Which latents are used: the KL of each one, sorted, lambda by lambda."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hwsweep.figures.drawing import colour_of
from hwsweep.figures.sweep_runs import RunNumbers, by_lambda, metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 1
SILENT = 0.01
"""Nats; a latent with less has become the prior as far as the eye is concerned, and is left white."""
_ABSENT = "#DDDDDD"  # beyond a run's number of latents
_ROW = 0.052  # height of a row as a share of the width


class KLHeatmapInfo(NamedTuple):
    """One row per run, lambda growing downwards."""

    titles: np.ndarray
    colours: np.ndarray
    kl: Float64[np.ndarray, "runs latents"]
    """Nats per image, falling in each row; NaN beyond the run's number of latents."""
    rate: Float64[np.ndarray, " runs"]
    """Nats per image: the sum of the row."""
    active_units: Int64[np.ndarray, " runs"]


def info(runs: Sequence[RunNumbers]) -> KLHeatmapInfo:
    """Every run's KL per latent in nats per image, the largest first.

    Raises:
        ValueError: no run.
    """
    runs = by_lambda(runs)
    kl = np.full((len(runs), max(len(run.kl_per_latent) for run in runs)), np.nan)
    for row, run in zip(kl, runs, strict=True):
        row[: len(run.kl_per_latent)] = np.sort(run.kl_per_latent)[::-1]
    return KLHeatmapInfo(
        titles=np.array([run.title for run in runs]),
        colours=np.array([colour_of(run.kl_weight) for run in runs]),
        kl=kl,
        rate=metric(runs, "test/rate"),
        active_units=metric(runs, "test/active_units").astype(np.int64),
    )


def draw(info: KLHeatmapInfo, axes: Sequence[Axes]) -> None:
    """A cell per run and latent on a logarithmic scale from `SILENT`; beside each row its rate and active units."""
    (axis,) = axes
    runs, latents = info.kl.shape
    colours = colormaps["viridis_r"].with_extremes(under="white", bad=_ABSENT)
    norm = LogNorm(SILENT, max(1.0, float(np.nanmax(info.kl))))
    ends = (0.5, latents + 0.5, runs - 0.5, -0.5)
    # zero has no logarithm, and would be drawn as a latent that is not there
    cells = axis.imshow(np.maximum(info.kl, SILENT / 10), cmap=colours, norm=norm, extent=ends, aspect="auto")
    height = _ROW * runs + 0.04
    axis.set_box_aspect(height)
    axis.grid(False)
    axis.hlines(np.arange(0.5, runs - 1), *ends[:2], color="#E6E6E6", linewidth=2)
    axis.spines["left"].set_visible(False)
    axis.set_yticks(range(runs), info.titles)
    axis.tick_params("y", length=0)
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axis.set_xlabel("latent, sorted by its KL in each run")
    for label, colour in zip(axis.get_yticklabels(), info.colours, strict=True):
        label.set_color(colour)
    _numbers_beside(axis, info)
    place = axis.inset_axes((0, -0.135 / height, 1, 0.025 / height))
    bar = axis.figure.colorbar(cells, cax=place, orientation="horizontal", extend="min")
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_label(f"KL of the latent (nats per image); below {SILENT:g}: white")


def _numbers_beside(axis: Axes, info: KLHeatmapInfo) -> None:
    """Two columns right of the cells."""
    beside = axis.get_yaxis_transform()
    for x, name, numbers in (
        (1.09, "rate\n(nats)", [f"{rate:.2f}" for rate in info.rate]),
        (1.18, "active\nunits", [str(active) for active in info.active_units]),
    ):
        axis.text(x, -0.6, name, transform=beside, ha="right", va="bottom", fontsize=8)
        for row, number in enumerate(numbers):
            axis.text(x, row, number, transform=beside, ha="right", va="center")
