"""The rate-distortion plane: what each lambda pays in nats, and what a linear VAE could do.

Both likelihoods' linear curves are in nats (see `linear_models`) and share the axes with the runs: solid where the
curve is exact (Gaussian), dashed where it is a guide (Bernoulli). Its slope is -lambda everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hwsweep.figures.drawing import BLACK, GREY, colour_of
from hwsweep.figures.linear_models import curve, linear_models
from hwsweep.figures.sweep_runs import RunNumbers, by_lambda, metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 1
_POINTS = 400  # of a curve
_FAR = 6.0  # times the usual rate; a linear axis would press the others together
_VISIBLE_RATE = 0.1  # nats; collapsed runs do not tell what is usual
_TICKS_APART = 0.07  # share of the axis
_ASPECT = 0.62
_RING: dict[str, Any] = {"markerfacecolor": "white", "linestyle": "", "markersize": 5}
_LETTER, _LINE = 0.0092, 0.033  # a title's letter and line, as shares of the axes' width and height


class RateDistortionInfo(NamedTuple):
    """Rate and distortion in nats per image."""

    titles: np.ndarray
    colours: np.ndarray
    measured: Float64[np.ndarray, "runs 2"]
    """Test split."""
    predicted: Float64[np.ndarray, "runs 2"]
    """Of the linear model at the run's lambda; NaN where there is no finite prediction."""
    curves: Float64[np.ndarray, "models 2 points"]
    exact: np.ndarray
    """Per curve."""
    bend: float
    """Rate around which the axis turns from linear to logarithmic; infinite: nowhere."""


class Box(NamedTuple):
    """A place, as shares of the axes."""

    left: float
    bottom: float
    right: float
    top: float


def info(runs: Sequence[RunNumbers]) -> RateDistortionInfo:
    """Each run's rate and distortion, measured and predicted, and the linear models' curves.

    Raises:
        ValueError: no run, or runs whose distortions differ in kind.
    """
    runs = by_lambda(runs)
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
    most = float(measured[:, 0].max())
    return RateDistortionInfo(
        titles=np.array([run.title for run in runs]),
        colours=np.array([colour_of(run.kl_weight) for run in runs]),
        measured=measured,
        predicted=predicted,
        curves=np.array([curve(model, 2 * most, _POINTS) for model in models]).reshape(-1, 2, _POINTS),
        exact=np.array([model.exact for model in models], dtype=bool),
        bend=_bend(measured[:, 0]),
    )


def draw(info: RateDistortionInfo, axes: Sequence[Axes]) -> None:
    """One point per run, the linear models' curves, and on them a ring where each run's lambda is predicted."""
    (axis,) = axes
    for line, exact in zip(info.curves, info.exact, strict=True):
        axis.plot(*line, color=GREY, linestyle="-" if exact else "--")
    for measured, predicted, colour in zip(info.measured, info.predicted, info.colours, strict=True):
        axis.plot(*predicted, "o", markeredgecolor=colour, **_RING)
        axis.plot(*measured, "o", color=colour, markersize=6)
    axis.set_box_aspect(_ASPECT)
    axis.set_xlabel("rate (nats per image)")
    axis.set_ylabel("distortion (nats per image)")
    _limit(axis, info)
    _name_points(axis, info)
    _explain(axis, info)


def _explain(axis: Axes, info: RateDistortionInfo) -> None:
    """The legend, in black: colours are the runs'."""
    entries = [Line2D([], [], color=BLACK, marker="o", linestyle="", label="run, test split")]
    for exact in set(info.exact.tolist()):
        label = "linear VAE, the best on the training split" if exact else "linear VAE, a guide: exact at collapse only"
        entries.append(Line2D([], [], color=GREY, linestyle="-" if exact else "--", label=label))
    if np.isfinite(info.predicted).all(1).any():
        entries.append(Line2D([], [], color=BLACK, marker="o", label="the same at a run's lambda", **_RING))
    axis.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)


def _bend(rates: Float64[np.ndarray, " runs"]) -> float:
    """The usual rate, if the largest one (lambda = 0, as a rule) is so far out that it would press others together."""
    usual = float(np.exp(np.log(np.maximum(rates[rates > _VISIBLE_RATE], 1)).mean())) if rates.max() > 1 else np.inf
    return usual if rates.max() > _FAR * usual else np.inf


def _limit(axis: Axes, info: RateDistortionInfo) -> None:
    """Show every point, measured and predicted, and where the curves come from, whatever they do beyond."""
    seen = np.concatenate([info.measured, info.predicted[np.isfinite(info.predicted).all(1)], info.curves[:, :, 0]])
    most, low, high = max(1.0, float(seen[:, 0].max())), seen[:, 1].min(), seen[:, 1].max()
    air = 0.08 * max(high - low, 0.01 * abs(high))
    axis.set_ylim(low - air, high + air)
    if np.isfinite(info.bend):
        axis.set_xscale("asinh", linear_width=info.bend)
        axis.set_xlabel("rate (nats per image); far right the axis is logarithmic")
        axis.xaxis.set_major_locator(FixedLocator(_ticks(info.bend, most)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlim(-0.1 * info.bend, 1.8 * most)
    else:
        axis.set_xlim(-0.03 * most, 1.16 * most)


def _ticks(bend: float, most: float) -> list[float]:
    """0 and round rates, no two of them near each other on the bent axis."""
    ticks = [0.0]
    for rate in (digit * 10.0**power for power in range(-1, 9) for digit in (1, 2, 5)):
        far = np.arcsinh(rate / bend) - np.arcsinh(ticks[-1] / bend) > _TICKS_APART * np.arcsinh(most / bend)
        if far and rate <= 1.8 * most:
            ticks.append(rate)
    return ticks


def _name_points(axis: Axes, info: RateDistortionInfo) -> None:
    """Each run's title beside its point, moved up or down where it would cover another title or a point."""
    to_share = axis.transData - axis.transAxes  # shares of the axes, whose size in the end does not matter
    points = to_share.transform(info.measured)
    taken = [Box(x - 0.01, y - 0.015, x + 0.01, y + 0.015) for x, y in points]
    for run in np.lexsort((points[:, 0], -points[:, 1])):
        x, y = points[run]
        box = _free_place(x, y, _LETTER * len(info.titles[run]), taken)
        taken.append(box)
        near = (box.left if box.left > x else box.right, (box.bottom + box.top) / 2)
        style: dict[str, Any] = {"color": info.colours[run], "transform": axis.transAxes}
        axis.plot(*np.array([(x, y), near]).T, linewidth=0.6, **style)
        axis.text(box.left, near[1], info.titles[run], va="center_baseline", fontsize=8, **style)


def _free_place(x: float, y: float, width: float, taken: Sequence[Box]) -> Box:
    """The nearest place for a text of that width right of the point (left at the edge) that is free, if one is."""
    left = x + 0.02 if x + 0.02 + width < 1 else x - 0.02 - width
    bottoms = np.concatenate([np.arange(y, 1 - _LINE, _LINE / 4), np.arange(y, 0, -_LINE / 4)])
    bottoms = bottoms[np.argsort(np.abs(bottoms - y), kind="stable")]
    boxes = [Box(left, bottom, left + width, bottom + _LINE) for bottom in bottoms]
    return next((box for box in boxes if not any(_overlap(box, other) for other in taken)), boxes[0])


def _overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.bottom < other.top and other.bottom < one.top
