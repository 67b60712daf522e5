"""The rate-distortion plane: rate and distortion of each run, and the optimum of a linear VAE.

The linear curves are in nats for both likelihoods (see `linear_models`), on the same axes as the runs: solid if the
curve is exact (Gaussian), dashed if it is a linear approximation (Bernoulli). Its slope is -lambda everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from hwsweep.figures.drawing import BLACK, GREY
from hwsweep.figures.study.linear_models import curve, linear_models
from hwsweep.figures.study.sweep_runs import RunNumbers, colours, metric, sort_by_lambda, titles

PANELS = 1
_POINTS = 400  # of a curve
_FAR = 6.0  # times the usual rate; such a rate would press the others together on a linear axis
_VISIBLE_RATE = 0.1  # nats; lower rates, of collapsed runs, do not count for the usual rate
_TICKS_APART = 0.07  # share of the axis
_ASPECT = 0.62
_MARKERS = "osD^v"
_RING: dict[str, Any] = {"markerfacecolor": "white", "linestyle": "", "markersize": 5}
_LETTER, _LINE = 0.0092, 0.033  # a title's letter and line, as shares of the axes' width and height
_REACH = 0.25  # share of the axes' height: largest distance of a title from its point


class RateDistortionInfo(NamedTuple):
    """Rate and distortion in nats per image."""

    titles: np.ndarray
    colours: np.ndarray
    measured: Float64[np.ndarray, "runs 2"]
    """On the test split."""
    predicted: Float64[np.ndarray, "runs 2"]
    """By the linear model at the run's lambda; NaN without a finite prediction."""
    curves: Float64[np.ndarray, "models 2 points"]
    exact: np.ndarray
    """Per curve: False for a linear approximation."""
    bend: float
    """Rate around which the axis turns from linear to logarithmic; infinite if it is linear."""
    studies: np.ndarray
    """Name of each run's study; empty texts in a figure of one study."""


def info(runs: Sequence[RunNumbers]) -> RateDistortionInfo:
    """Rate and distortion of each run, measured and predicted, and the curves of the linear models.

    Raises:
        ValueError: no run, or runs of several likelihoods.
    """
    runs = sort_by_lambda(runs)
    likelihoods = {run.likelihood for run in runs}
    if len(likelihoods) > 1:
        raise ValueError(
            f"distortions compare under one likelihood only, but these runs have {', '.join(sorted(likelihoods))}; "
            "make one figure per likelihood"
        )
    measured, predicted = (
        np.stack([metric(runs, f"{split}/rate"), metric(runs, f"{split}/distortion")], axis=1)
        for split in ("test", "predicted")
    )
    models = [model for model in linear_models(runs) if np.isfinite(model.collapsed_distortion)]
    max_rate = max(2 * float(measured[:, 0].max()), 1.1 * float(np.nanmax(predicted[:, 0], initial=0)))
    return RateDistortionInfo(
        titles=titles(runs),
        colours=colours(runs),
        measured=measured,
        predicted=predicted,
        curves=np.array([curve(model, max_rate, _POINTS) for model in models]).reshape(-1, 2, _POINTS),
        exact=np.array([model.exact for model in models], dtype=bool),
        bend=_bend(measured[:, 0]),
        studies=np.array([run.study for run in runs]),
    )


def draw(info: RateDistortionInfo, axes: Sequence[Axes]) -> None:
    """One point per run, the curves of the linear models, and a ring at the optimum for each run's lambda."""
    (axis,) = axes
    for line, exact in zip(info.curves, info.exact, strict=True):
        axis.plot(*line, color=GREY, linestyle="-" if exact else "--")
    markers = _markers(info)
    runs = zip(info.measured, info.predicted, info.colours, info.studies, strict=True)
    for measured, predicted, colour, study in runs:
        axis.plot(*predicted, markers[study], markeredgecolor=colour, **_RING)
        axis.plot(*measured, markers[study], color=colour, markersize=6)
    axis.set_box_aspect(_ASPECT)
    axis.set_xlabel("rate (nats per image)")
    axis.set_ylabel("distortion (nats per image)")
    _limit(axis, info)
    _name_points(axis, info)
    _explain(axis, info)


def _explain(axis: Axes, info: RateDistortionInfo) -> None:
    """Draw the legend in black, because colours stand for runs."""
    for study, marker in _markers(info).items():
        axis.plot([], [], marker, color=BLACK, label=f"{study or 'run'}, test split")
    for exact in set(info.exact.tolist()):
        label = "linear VAE, optimum on the training split" if exact else "linear approximation, exact at collapse"
        axis.plot([], [], color=GREY, linestyle="-" if exact else "--", label=label)
    if np.isfinite(info.predicted).all(1).any():
        axis.plot([], [], "o", color=BLACK, label="linear optimum at a run's lambda", **_RING)
    n_columns = 3 if len(_markers(info)) == 1 else 2  # names of studies are long
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=n_columns, fontsize=8)


def _markers(info: RateDistortionInfo) -> dict[str, str]:
    """The shape of the points of each study."""
    return dict(zip(dict.fromkeys(info.studies.tolist()), cycle(_MARKERS)))


def _bend(rates: Float64[np.ndarray, " runs"]) -> float:
    """The usual rate, if the largest one (in general at lambda = 0) would press the others together."""
    usual = float(np.exp(np.log(np.maximum(rates[rates > _VISIBLE_RATE], 1)).mean())) if rates.max() > 1 else np.inf
    return usual if rates.max() > _FAR * usual else np.inf


def _limit(axis: Axes, info: RateDistortionInfo) -> None:
    """Set the limits so that all points, measured and predicted, and the beginnings of the curves are visible."""
    visible = np.concatenate([info.measured, info.predicted[np.isfinite(info.predicted).all(1)], info.curves[:, :, 0]])
    most, low, high = max(1.0, float(visible[:, 0].max())), visible[:, 1].min(), visible[:, 1].max()
    margin = 0.08 * max(high - low, 0.01 * abs(high))
    axis.set_ylim(low - margin, high + margin)
    if np.isfinite(info.bend):
        axis.set_xscale("asinh", linear_width=info.bend)
        axis.set_xlabel("rate (nats per image), logarithmic at the right")
        ticks = _ticks(info.bend, most)
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_xlim(-0.1 * info.bend, 1.8 * most)
    else:
        axis.set_xlim(-0.03 * most, 1.16 * most)


def _ticks(bend: float, most: float) -> list[float]:
    """0 and round rates, none of them near another on the bent axis."""
    ticks = [0.0]
    for rate in (digit * 10.0**power for power in range(-1, 9) for digit in (1, 2, 5)):
        far = np.arcsinh(rate / bend) - np.arcsinh(ticks[-1] / bend) > _TICKS_APART * np.arcsinh(most / bend)
        if far and rate <= 1.8 * most:
            ticks.append(rate)
    return ticks


def _name_points(axis: Axes, info: RateDistortionInfo) -> None:
    """Write each title beside its point, up or down if it would cover something, or not where all is full."""
    to_share = axis.transData - axis.transAxes  # in shares of the axes, whatever their final size
    points = to_share.transform(info.measured)
    taken = [Bbox.from_extents(x - 0.01, y - 0.015, x + 0.01, y + 0.015) for x, y in points]
    for run in np.lexsort((points[:, 0], -points[:, 1])):
        x, y = points[run]
        if not info.titles[run]:
            continue
        box = _free_box(x, y, _LETTER * len(info.titles[run]), taken)
        if box is None:
            continue
        taken.append(box)
        near = (box.x0 if box.x0 > x else box.x1, (box.y0 + box.y1) / 2)
        style: dict[str, Any] = {"color": info.colours[run], "transform": axis.transAxes}
        axis.plot(*np.array([(x, y), near]).T, linewidth=0.6, **style)
        axis.text(box.x0, near[1], info.titles[run], va="center_baseline", fontsize=8, **style)


def _free_box(x: float, y: float, width: float, taken: Sequence[Bbox]) -> Bbox | None:
    """The nearest free box for a text of this width right of the point, or left of it near the edge; None: all full."""
    left = x + 0.02 if x + 0.02 + width < 1 else x - 0.02 - width
    top, end = min(y + _REACH, 1 - _LINE), max(y - _REACH, 0)
    bottoms = np.concatenate([np.arange(y, top, _LINE / 4), np.arange(y, end, -_LINE / 4)])
    bottoms = bottoms[np.argsort(np.abs(bottoms - y), kind="stable")]
    boxes = (Bbox.from_extents(left, bottom, left + width, bottom + _LINE) for bottom in bottoms)
    return next((box for box in boxes if not any(map(box.fully_overlaps, taken))), None)
