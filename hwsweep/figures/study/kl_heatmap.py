"""The KL of each latent, sorted, per lambda: which latents are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import name_rows, stack_rows
from hwsweep.figures.study.sweep_runs import RunNumbers, colours, metric, sort_by_lambda, titles

PANELS = 1
SILENT = 0.01
"""Nats; the posterior of a latent with less is nearly the prior, and its cell is white."""
_ABSENT = "#DDDDDD"  # cells beyond a run's number of latents
_ROW = 0.052  # height of a row as a share of the width


class KLHeatmapInfo(NamedTuple):
    """One row per run, lambda rising downwards."""

    titles: np.ndarray
    colours: np.ndarray
    kl: Float64[np.ndarray, "runs latents"]
    """Nats per image, falling in each row; NaN beyond the run's number of latents."""
    rate: Float64[np.ndarray, " runs"]
    """Nats per image: the sum of the row."""
    active_units: Int64[np.ndarray, " runs"]


def info(runs: Sequence[RunNumbers]) -> KLHeatmapInfo:
    """The KL per latent of every run in nats per image, the largest first.

    Raises:
        ValueError: no run.
    """
    runs = sort_by_lambda(runs)
    return KLHeatmapInfo(
        titles=titles(runs),
        colours=colours(runs),
        kl=stack_rows([np.sort(run.kl_per_latent)[::-1] for run in runs], np.nan),
        rate=metric(runs, "test/rate"),
        active_units=metric(runs, "test/active_units").astype(np.int64),
    )


def draw(info: KLHeatmapInfo, axes: Sequence[Axes]) -> None:
    """A cell per run and latent, logarithmic from `SILENT`; beside each row its rate and active units."""
    (axis,) = axes
    runs, latents = info.kl.shape
    shades = colormaps["viridis_r"].with_extremes(under="white", bad=_ABSENT)
    norm = LogNorm(SILENT, max(1.0, float(np.nanmax(info.kl))))
    ends = (0.5, latents + 0.5, runs - 0.5, -0.5)
    # zero has no logarithm and would look like an absent latent
    cells = axis.imshow(np.maximum(info.kl, SILENT / 10), cmap=shades, norm=norm, extent=ends, aspect="auto")
    height = _ROW * runs + 0.04
    axis.set_box_aspect(height)
    axis.grid(False)
    axis.hlines(np.arange(0.5, runs - 1), *ends[:2], color="#E6E6E6", linewidth=2)
    name_rows(axis, range(runs), info.titles, info.colours)
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axis.set_xlabel("latent, sorted by its KL in each run")
    _write_columns(axis, info)
    below = axis.inset_axes((0, -0.135 / height, 1, 0.025 / height))
    bar = axis.figure.colorbar(cells, cax=below, orientation="horizontal", extend="min")
    bar.ax.xaxis.set_major_formatter("{x:g}")
    bar.set_label(f"KL of the latent (nats per image); blank below {SILENT:g}")


def _write_columns(axis: Axes, info: KLHeatmapInfo) -> None:
    """Write rate and active units in two columns right of the cells."""
    beside = axis.get_yaxis_transform()
    for x, name, numbers, form in (
        (1.09, "rate\n(nats)", info.rate, ".2f"),
        (1.18, "active\nunits", info.active_units, "d"),
    ):
        axis.text(x, -0.6, name, transform=beside, ha="right", va="bottom", fontsize=8)
        for row, number in enumerate(numbers):
            axis.text(x, row, f"{number:{form}}", transform=beside, ha="right", va="center")
