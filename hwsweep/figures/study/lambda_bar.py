"""A colour bar of lambda, in the place of a legend with too many lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm

from hwsweep.figures.drawing import colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = 256


def draw_lambda_bar(axis: Axes, kl_weight: Float64[np.ndarray, " runs"]) -> None:
    """Draw the colours of these lambdas right of the axes, the smallest one below; nothing where all are one lambda.

    Zero, which has no place on a logarithmic scale, is the tip below the bar.
    """
    positive = kl_weight[kl_weight > 0]
    if len(np.unique(positive)) < 2:
        return
    low, high = float(positive.min()), float(positive.max())
    colours = ListedColormap([colour_of(float(weight)) for weight in np.geomspace(low, high, _COLOURS)])
    has_zero = bool((kl_weight == 0).any())
    cells = ScalarMappable(LogNorm(low, high), colours.with_extremes(under=colour_of(0.0)))
    beside = axis.inset_axes((1.08, 0, 0.06, 1))
    bar = axis.figure.colorbar(cells, cax=beside, extend="min" if has_zero else "neither")
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.ax.minorticks_off()
    bar.set_label("lambda" + " (the tip below: 0)" * has_zero)
