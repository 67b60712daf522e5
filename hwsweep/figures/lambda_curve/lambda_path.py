"""Rate, active units and distortion of one training whose lambda walks through a list, on the ways up and down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hwsweep.figures import Trained
from hwsweep.figures.drawing import BLUE, GREY, VERMILLION

PANELS = 3
Stops = Float64[np.ndarray, " stops"]
"""A number for each stop, in the order of training."""
_LINEAR = 0.1  # nats; below it the axis is linear, because a collapsed rate is 0
_UP: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "lambda rises"}
_DOWN: dict[str, Any] = {"color": VERMILLION, "marker": "s", "markerfacecolor": "white", "label": "lambda falls"}


class LambdaPathInfo(NamedTuple):
    """Measured on the validation split at the end of each stop, and the optimum of a linear VAE there."""

    title: str
    kl_weight: Stops
    is_down: Bool[np.ndarray, " stops"]
    """Whether lambda was larger at the last stop with another one."""
    rate: Stops
    """Nats per image."""
    active_units: Stops
    distortion: Stops
    """Nats per image."""
    linear_rate: Stops
    """NaN where it is unknown, as in the next two."""
    linear_active_units: Stops
    linear_distortion: Stops
    exact: bool
    """False: the linear VAE is an approximation (Bernoulli)."""


def info(trained: Trained) -> LambdaPathInfo:
    """Every stop of the run's path."""
    from hwsweep.models.likelihoods import Bernoulli

    path = {name: trained.arrays[f"path_{name}"] for name in LambdaPathInfo._fields if f"path_{name}" in trained.arrays}
    is_down = np.array(ways_down(path["kl_weight"].tolist()), dtype=bool)
    return LambdaPathInfo(
        title=trained.title, is_down=is_down, exact=not isinstance(trained.model.likelihood, Bernoulli), **path
    )


def ways_down(weights: Sequence[float]) -> list[bool]:
    """Whether each stop is on a way down, up or both ends included; the first one belongs to the way that it begins."""
    changes = [after < before for before, after in pairwise(weights) if after != before]
    ways = changes[:1] or [False] * bool(weights)
    for before, after in pairwise(weights):
        ways.append(ways[-1] if before == after else after < before)
    return ways


def draw(info: LambdaPathInfo, axes: Sequence[Axes]) -> None:
    """Rate, active units and distortion against lambda."""
    panels = (
        (info.rate, info.linear_rate, "rate (nats per image)"),
        (info.active_units, info.linear_active_units, "active units"),
        (info.distortion, info.linear_distortion, "distortion (nats per image)"),
    )
    for axis, (values, linear, label) in zip(axes, panels, strict=True):
        _draw_linear(axis, info, linear)
        _draw_ways(axis, info, values)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("lambda")
        axis.set_title(label, loc="left")
        axis.set_box_aspect(1)
    axes[0].set_yscale("symlog", linthresh=_LINEAR, linscale=0.5)
    axes[0].set_ylim(-_LINEAR / 5, None)
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[1].set_ylim(-0.5, None)
    axes[1].yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    keys = [Line2D([], [], **way) for way, is_there in ((_UP, ~info.is_down), (_DOWN, info.is_down)) if is_there.any()]
    if np.isfinite(info.linear_rate).any():
        keys.append(Line2D([], [], **_linear_style(info)))
    legend = axes[1].legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=8)
    legend.set_in_layout(False)  # it is wider than its panel
    axes[0].figure.suptitle(f"{info.title}, validation split", fontsize=10)


def _draw_ways(axis: Axes, info: LambdaPathInfo, values: Stops) -> None:
    """A piece of line to each stop from the one before, in the colour of its way, and a marker."""
    for way, of_way in ((_UP, ~info.is_down), (_DOWN, info.is_down)):
        style = {**way, "label": ""}
        for stop in np.flatnonzero(of_way):
            piece = slice(max(int(stop) - 1, 0), int(stop) + 1)
            axis.plot(info.kl_weight[piece], values[piece], **style, markevery=[-1], linewidth=1.2)


def _draw_linear(axis: Axes, info: LambdaPathInfo, values: Stops) -> None:
    order = np.argsort(info.kl_weight, kind="stable")
    axis.plot(info.kl_weight[order], values[order], **_linear_style(info))


def _linear_style(info: LambdaPathInfo) -> dict[str, Any]:
    label = "linear VAE, optimum" if info.exact else "linear approximation"
    return {"color": GREY, "linestyle": "-" if info.exact else "--", "linewidth": 3, "label": label}
