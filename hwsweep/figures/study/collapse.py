"""Active units, mutual information and verdict of each run by lambda, with the prediction of a linear VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from hwsweep.figures.drawing import BLACK, GREY, stack_rows
from hwsweep.figures.study.linear_models import linear_models
from hwsweep.figures.study.sweep_runs import RunNumbers, colours, metric, sort_by_lambda

PANELS = 2
BANDS = {
    "untrained": "#F3E1F0",
    "undecided": "#F7F7F7",
    "unregularised": "#FBE3D6",
    "healthy": "#DDF1E9",
    "partly collapsed": "#FFF3CC",
    "nearly collapsed": "#F1EBDD",
    "collapsed": "#E4E4E4",
    "lagging": "#DCE9F5",
    "disconnected": "#E6E0F3",
}
"""Verdict -> colour of the strip behind its runs, by rising lambda."""

_MAX_TICKS = 5
_WIDTH = 250.0  # points: about the width of the axes
_STRIP, _THINNEST = 16.0, 1.0  # points: the width of the strip behind a lambda
_LABEL = 12.0  # points: the width of the name of a verdict, which stands upright
_VERDICT: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": "#555555", "zorder": 1}
_LEGEND: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 2, "fontsize": 8}


class CollapseInfo(NamedTuple):
    """One entry per run, by rising lambda."""

    kl_weight: Float64[np.ndarray, " runs"]
    colours: np.ndarray
    verdicts: np.ndarray
    """A name of `BANDS`; empty if runs of the same lambda differ."""
    active_units: Float64[np.ndarray, " runs"]
    latents: Int64[np.ndarray, " runs"]
    mutual_information: Float64[np.ndarray, " runs"]
    """Nats per image."""
    mutual_information_error: Float64[np.ndarray, " runs"]
    cap: float
    """Nats: the largest mutual information that the test split can show, ln of its number of images."""
    active_below: Float64[np.ndarray, "models latents"]
    """Per linear model the lambda below which each latent is active, falling; 0 beyond the number of latents."""
    exact: np.ndarray
    """Per linear model: False for a linear approximation."""


def info(runs: Sequence[RunNumbers]) -> CollapseInfo:
    """Active units, mutual information and verdict of each run, and where the latents of a linear VAE collapse.

    Raises:
        ValueError: no run, or a verdict that is not in `BANDS`.
    """
    runs = sort_by_lambda(runs)
    models = linear_models(runs)
    return CollapseInfo(
        kl_weight=np.array([run.kl_weight for run in runs], dtype=np.float64),
        colours=colours(runs),
        verdicts=np.array(_verdicts(runs)),
        active_units=metric(runs, "test/active_units"),
        latents=np.array([len(run.kl_per_latent) for run in runs]),
        mutual_information=metric(runs, "test/mutual_information"),
        mutual_information_error=metric(runs, "test/mutual_information_error"),
        cap=float(metric(runs, "test/mutual_information_cap").max()),
        active_below=stack_rows([model.active_below for model in models], 0.0),
        exact=np.array([model.exact for model in models], dtype=bool),
    )


def draw(info: CollapseInfo, axes: Sequence[Axes]) -> None:
    """Left: active units; right: mutual information; a strip behind each lambda names its verdict."""
    for axis in axes:
        axis.set_box_aspect(0.85)
        axis.set_xlabel("lambda")
        _lambda_axis(axis, info.kl_weight)
        _bands(axis, info)
    _draw_units(axes[0], info)
    _draw_information(axes[1], info)


def _draw_units(axis: Axes, info: CollapseInfo) -> None:
    """The active units of each run, and of each linear model at every lambda."""
    for limits, exact in zip(info.active_below, info.exact, strict=True):
        steps = np.concatenate([[0], np.sort(limits[limits > 0]), [max(info.kl_weight.max(), limits[0]) * 1e3]])
        active = np.append(np.arange(len(steps) - 2, -1, -1), 0)
        name = f"linear {'VAE' if exact else 'approximation'}: collapse at lambda = {limits[0]:.3g}"
        shown = {line.get_label() for line in axis.lines}  # models of several numbers of latents collapse at one lambda
        label = "" if name in shown else name
        axis.step(steps, active, GREY, linestyle="-" if exact else "--", where="post", zorder=2, label=label)
    axis.scatter(info.kl_weight, info.active_units, color=info.colours, s=32, zorder=3)
    axis.set_ylim(-0.04 * info.latents.max(), 1.15 * info.latents.max())
    axis.set_ylabel("active units")
    if len(info.exact):
        axis.legend(loc="upper left", fontsize=8, borderaxespad=0.2)


def _draw_information(axis: Axes, info: CollapseInfo) -> None:
    """The mutual information of each run with two standard errors, below the largest value that the split can show."""
    axis.axhline(info.cap, color=BLACK, linestyle=":", linewidth=1)
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": 8}
    axis.annotate("largest value that the test split can show", (0.02, info.cap), (0, 6), **beside)
    points, error = (info.kl_weight, info.mutual_information), 2 * info.mutual_information_error
    axis.errorbar(*points, error, fmt="none", ecolor=info.colours.tolist(), zorder=3)
    axis.scatter(*points, color=info.colours, s=32, zorder=3)
    axis.set_ylim(-0.04 * info.cap, 1.15 * info.cap)
    axis.set_ylabel("mutual information (nats per image)")


def _lambda_axis(axis: Axes, kl_weight: Float64[np.ndarray, " runs"]) -> None:
    """Make the axis logarithmic; a lambda of zero stands left of the smallest positive lambda."""
    positive = kl_weight[kl_weight > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    if positive.size < kl_weight.size:
        axis.set_xscale("symlog", linthresh=low, linscale=0.6)
        axis.set_xlim(-0.3 * low, 2 * high)
    else:
        axis.set_xscale("log")
        axis.set_xlim(low / 2, 2 * high)
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(2 * high)) + 1)
    decades = [10.0**power for power in powers[:: 1 + len(powers) // _MAX_TICKS]]
    ticks = decades if len(decades) > 1 else sorted({low, high})
    ticks = [0.0, *ticks] if 0 in kl_weight else ticks
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()


def _bands(axis: Axes, info: CollapseInfo) -> None:
    """Draw a strip behind each lambda, and name the verdict of neighbours once; between them nothing was tried.

    Where the names have no space side by side, a legend below the axes names the colours.
    """
    weights, place = np.unique(info.kl_weight, return_index=True)
    names = info.verdicts[place].tolist()
    shares = axis.transLimits.transform(axis.transScale.transform([(weight, 0) for weight in weights]))[:, 0]
    widths = _strip_widths(_WIDTH * shares, names)
    for weight, name, width in zip(weights, names, widths, strict=True):
        if name:
            axis.vlines(weight, 0, 1, BANDS[name], linewidth=width, zorder=0, transform=axis.get_xaxis_transform())
    groups = [(name, list(group)) for name, group in groupby(range(len(names)), key=names.__getitem__) if name]
    middles = [group[len(group) // 2] for _, group in groups]
    if np.all(np.diff(shares[middles]) > _LABEL / _WIDTH):
        for (name, _), middle in zip(groups, middles, strict=True):
            axis.text(weights[middle], 0.45, name, rotation=90, transform=axis.get_xaxis_transform(), **_VERDICT)
    else:
        shown = [name for name in BANDS if name in names]
        axis.add_artist(Legend(axis, [Patch(color=BANDS[name]) for name in shown], shown, **_LEGEND))


def _strip_widths(places: Float64[np.ndarray, " runs"], names: Sequence[str]) -> list[float]:
    """Width of each strip in points: where strips of two verdicts would overlap, only the distance between them."""
    widths = []
    for place, name in zip(places, names, strict=True):
        others = [abs(place - other) for other, verdict in zip(places, names, strict=True) if verdict != name]
        widths.append(max(_THINNEST, min([_STRIP, *others])))
    return widths


def _verdicts(runs: Sequence[RunNumbers]) -> list[str]:
    """The name of each run's verdict; empty if runs of its lambda differ."""
    names: dict[float, set[str]] = {}
    for run in runs:
        known = {name for name in BANDS if run.verdict.startswith(name)}
        if not known:
            allowed = ", ".join(BANDS)
            raise ValueError(f"a verdict must begin with one of {allowed}, but {run.title} has {run.verdict!r}")
        names.setdefault(run.kl_weight, set()).update(known)
    return ["".join(names[run.kl_weight]) if len(names[run.kl_weight]) == 1 else "" for run in runs]
