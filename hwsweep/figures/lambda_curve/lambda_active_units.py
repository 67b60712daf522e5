"""Active units and rate of one model against lambda, with its verdicts and the optimum of a linear VAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hwsweep.figures import Trained
from hwsweep.figures.drawing import BLACK, GREY
from hwsweep.figures.lambda_curve.lambda_stops import stops_of_run
from hwsweep.figures.study.collapse import BANDS
from hwsweep.figures.study.sweep_runs import metric

PANELS = 2
Stops = Float64[np.ndarray, " stops"]
"""A number per stop, lambda rising."""
_LINEAR = 0.1  # nats; below it the axis is linear, because a collapsed rate is 0
_LEGEND: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 2, "fontsize": 8}


class LambdaActiveUnitsInfo(NamedTuple):
    """Measured on the test split, and the optimum of a linear VAE on the training split."""

    title: str
    kl_weight: Stops
    verdicts: np.ndarray
    """A name of `BANDS` per stop."""
    active_units: Stops
    """NaN with a single test image."""
    linear_active_units: Stops
    latents: int
    rate: Stops
    """Nats per image."""
    linear_rate: Stops
    """Nats per image."""
    exact: bool
    """False: the linear VAE is an approximation (Bernoulli)."""


def info(trained: Trained) -> LambdaActiveUnitsInfo:
    """Every stop of the run's analysis."""
    stops = stops_of_run(trained)
    return LambdaActiveUnitsInfo(
        title=trained.title,
        kl_weight=np.array([stop.kl_weight for stop in stops]),
        verdicts=np.array([stop.verdict.partition(" (")[0] for stop in stops]),
        active_units=metric(stops, "test/active_units"),
        linear_active_units=metric(stops, "predicted/active_units"),
        latents=len(stops[0].kl_per_latent),
        rate=metric(stops, "test/rate"),
        linear_rate=metric(stops, "predicted/rate"),
        exact=stops[0].likelihood == "gaussian",
    )


def draw(info: LambdaActiveUnitsInfo, axes: Sequence[Axes]) -> None:
    """Left: active units; right: rate; the background has the colour of the verdict."""
    dash = "-" if info.exact else "--"
    linear: dict[str, Any] = {"color": GREY, "linestyle": dash, "linewidth": 3}
    linear["label"] = "linear VAE, optimum" if info.exact else "linear approximation"
    measured: dict[str, Any] = {"color": BLACK, "marker": "o", "label": "this model, test split"}
    for axis, optimum, values in zip(
        axes, (info.linear_active_units, info.linear_rate), (info.active_units, info.rate), strict=True
    ):
        axis.plot(info.kl_weight, optimum, **linear)
        axis.plot(info.kl_weight, values, **measured)
        axis.set_xscale("log")
        axis.set_xlim(info.kl_weight[0], info.kl_weight[-1])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("lambda")
        axis.set_box_aspect(0.85)
        _bands(axis, info)
    axes[0].set_ylim(-0.04 * info.latents, 1.08 * info.latents)
    axes[0].yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes[0].set_ylabel("active units")
    axes[0].set_title(info.title, loc="left")
    axes[0].legend(**_LEGEND)
    axes[1].set_yscale("symlog", linthresh=_LINEAR, linscale=0.5)
    axes[1].set_ylim(-_LINEAR / 5, None)
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].set_ylabel("rate (nats per image)")
    shown = [name for name in BANDS if name in info.verdicts]
    axes[1].legend([Patch(color=BANDS[name]) for name in shown], shown, **_LEGEND)


def _bands(axis: Axes, info: LambdaActiveUnitsInfo) -> None:
    """Colour the background from half way to the stop before to half way to the stop behind."""
    middles = np.sqrt(info.kl_weight[1:] * info.kl_weight[:-1])
    edges = [info.kl_weight[0], *middles, info.kl_weight[-1]]
    for name, left, right in zip(info.verdicts, edges[:-1], edges[1:], strict=True):
        axis.axvspan(left, right, color=BANDS[name], linewidth=0, zorder=0)
