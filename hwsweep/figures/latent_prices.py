"""What each latent costs and what it brings, and for how many images it is used, latent by latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hwsweep.figures import Trained
from hwsweep.figures.drawing import BLACK, BLUE, GREY, ORANGE, PURPLE, VERMILLION

PANELS = 2
PerLatent = Float64[np.ndarray, " latents"]
COLOURS = {"active": BLUE, "mixed": PURPLE, "passive": GREY, "other": ORANGE}
"""Of each kind of latent."""
_LINEAR = 0.1  # nats; below it the axis is linear, because a rise may be 0 or, by chance, negative
_LOWEST = 0.01  # of the variances' axis, or the lowest variance of a posterior; a smaller statistic is drawn there
_WIDTH = 240  # points: approximate width of a panel


class LatentPricesInfo(NamedTuple):
    """The latents of a run, the dearest first; none if the run has too few test images to measure them."""

    title: str
    price: PerLatent
    """lambda * KL in nats per image."""
    rise: PerLatent
    """Nats per image by which the distortion rises if the latent alone is permuted among images."""
    margin: PerLatent
    """What the rise may be off by chance: three standard errors over images."""
    unpaid: Bool[np.ndarray, " latents"]
    """Whether the price clearly exceeds the rise, see `analysis.latents.unpaid`."""
    statistic: PerLatent
    """Variance over images of the posterior mean."""
    variance_low: PerLatent
    """Variance of the posterior below which 5 % of the images lie."""
    variance_high: PerLatent
    """Variance of the posterior above which 5 % of the images lie."""
    kind: np.ndarray
    """active, mixed, passive or other, see `analysis.latents.kinds`."""


def info(trained: Trained) -> LatentPricesInfo:
    """Every latent of the run, from its analysis, by falling price."""
    from hwsweep.analysis.latents import ERRORS, KINDS, Latents, unpaid

    latents = Latents(*(trained.arrays[f"latent_{name}"] for name in Latents._fields))
    order = np.lexsort((latents.rise, latents.price))[::-1]
    order = order[np.isfinite(latents.rise[order])]
    latents = Latents(*(values[order] for values in latents))
    return LatentPricesInfo(
        title=trained.title,
        price=latents.price,
        rise=latents.rise,
        margin=ERRORS * latents.rise_error,
        unpaid=unpaid(latents),
        statistic=trained.arrays["active_unit_statistic"][order],
        variance_low=latents.variance_low,
        variance_high=latents.variance_high,
        kind=np.array(KINDS)[latents.kind.astype(np.int64)],
    )


def draw(info: LatentPricesInfo, axes: Sequence[Axes]) -> None:
    """Left: price and rise of each latent; right: the spread of its posterior's variance, in the colour of its kind."""
    latents = len(info.price)
    if latents == 0:
        for axis in axes:
            axis.set_axis_off()
        axes[0].set_title(f"{info.title}: latents are not measured with so few test images", loc="left")
        return
    rank = np.arange(1, latents + 1)
    _draw_prices(axes[0], info, rank)
    _draw_variances(axes[1], info, rank)
    for axis in axes:
        axis.set_box_aspect(0.9)
        axis.set_xlim(0.5, latents + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axis.set_xlabel("latent, sorted by its price")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8)


def _draw_prices(axis: Axes, info: LatentPricesInfo, rank: Int64[np.ndarray, " latents"]) -> None:
    """A step per price, a dot per rise with its margin, and a ring around each that does not pay."""
    size = float(np.clip(_WIDTH / 2 / len(rank), 1.5, 5))  # points
    colours = [COLOURS[kind] for kind in info.kind]
    low, high = info.rise - info.margin, info.rise + info.margin
    axis.vlines(rank, low, high, colours, linewidth=size / 3, zorder=1)
    label = "rise of the distortion if permuted, ± 3 standard errors"
    axis.scatter(rank, info.rise, size**2, colours, label=label, zorder=2)
    edges = np.append(rank - 0.5, len(rank) + 0.5)
    axis.stairs(info.price, edges, baseline=None, color=BLACK, linewidth=1.3, label="price, lambda * KL", zorder=3)
    if info.unpaid.any():
        x, y = rank[info.unpaid], info.rise[info.unpaid]
        width = max(0.7, size / 4)
        axis.scatter(
            x, y, (2 * size) ** 2, "none", edgecolors=VERMILLION, linewidths=width, label="does not pay", zorder=4
        )
    axis.set_yscale("symlog", linthresh=_LINEAR, linscale=0.5)
    highest = max(_LINEAR, float(high.max()), float(info.price.max()))
    axis.set_ylim(
        1.2 * min(0.0, float(low.min())) - _LINEAR / 5, 10 ** np.ceil(np.log10(1.01 * highest))
    )  # with at least two ticks
    axis.set_ylabel("nats per image")
    axis.set_title(f"{info.title}: unpaid latents {info.unpaid.sum()} of {len(rank)}", loc="left")


def _draw_variances(axis: Axes, info: LatentPricesInfo, rank: Int64[np.ndarray, " latents"]) -> None:
    """A bar from `variance_low` to `variance_high` of each latent, and a dot for its statistic."""
    lowest = min(_LOWEST, float(info.variance_low.min()))
    for kind, colour in COLOURS.items():
        if (shown := info.kind == kind).any():
            width = min(7.0, 0.6 * _WIDTH / len(rank))
            ends = info.variance_low[shown], info.variance_high[shown]
            axis.vlines(rank[shown], *ends, color=colour, linewidth=width, label=f"{kind}: {shown.sum()}")
    size = float(np.clip(_WIDTH / 2 / len(rank), 1, 4))
    statistic, label = np.maximum(info.statistic, lowest), "variance of the posterior mean"
    axis.plot(rank, statistic, "o", color=BLACK, markersize=size, label=label)
    axis.axhline(1, color=BLACK, linestyle="--", linewidth=1)
    axis.set_yscale("log")
    axis.set_ylim(0.8 * lowest, 1.5 * max(1.0, float(info.variance_high.max()), float(info.statistic.max())))
    axis.set_ylabel("variance (the prior's is 1)")
    axis.set_title("variance of the posterior, 5 to 95 % of images", loc="left")
