"""How much each parameter mattered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64

from hwsweep.figures.drawing import BLUE
from hwsweep.figures.search.trials import completed, keys, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MOST = 12  # parameters
_ROW = 0.07  # height of a bar as a share of the width


class ImportancesInfo(NamedTuple):
    """The most important parameter first."""

    names: np.ndarray
    share: Float64[np.ndarray, " parameters"]
    trials: int
    """Complete trials that the estimate comes from."""


def info(view: StudyView) -> ImportancesInfo | None:
    """Shares of at most 12 parameters; None if fewer than two vary or there are too few trials to tell."""
    from hwsweep.sweep.study.importance import importances

    trials = completed(view)
    if len(keys(trials)) < 2 or not (shares := importances(view)):
        return None
    named = names(shares)
    return ImportancesInfo(np.array(named[:_MOST]), np.array(list(shares.values())[:_MOST]), len(trials))


def draw(info: ImportancesInfo, axes: Sequence[Axes]) -> None:
    """A bar per parameter."""
    (axis,) = axes
    rows = np.arange(len(info.share))
    axis.barh(rows, info.share, color=BLUE, height=0.7)
    for row, share in zip(rows, info.share, strict=True):
        axis.annotate(
            f"{share:.2f}" if share >= 0.005 else "< 0.01",
            (share, row),
            (4, 0),
            va="center",
            fontsize=8,
            textcoords="offset points",
        )
    axis.set_box_aspect(_ROW * len(rows) + 0.03)
    axis.set_yticks(rows, info.names)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.set_xlim(0, 1.05)
    axis.set_xlabel(f"share in what tells the best tenth of {info.trials} trials from the rest (PED-ANOVA)")
