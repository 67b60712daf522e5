"""The importance of each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from hwsweep.figures.drawing import BLUE
from hwsweep.figures.search.trials import key_labels, search_of
from hwsweep.sweep.study.view import StudyView

PANELS = 1
_MAX = 12  # parameters
_MAX_NAMED = 8  # in the summary
_ROW = 0.07  # height of a bar, as a share of the width


class ImportancesInfo(NamedTuple):
    """The most important parameter first."""

    names: np.ndarray
    share: Float64[np.ndarray, " parameters"]
    trials: int
    """Complete trials, the basis of the estimate."""


def info(view: StudyView) -> ImportancesInfo | None:
    """Shares of at most 12 parameters; None if fewer than two vary or there are too few trials."""
    from hwsweep.sweep.study.importance import importances

    search = search_of(view)
    if len(search.keys) < 2 or not (shares := importances(view)):
        return None
    named = key_labels(shares)
    return ImportancesInfo(np.array(named[:_MAX]), np.array(list(shares.values())[:_MAX]), len(search.trials))


def draw(info: ImportancesInfo, axes: Sequence[Axes]) -> None:
    """A bar per parameter."""
    (axis,) = axes
    rows = np.arange(len(info.share))
    bars = axis.barh(rows, info.share, color=BLUE, height=0.7)
    labels = [f"{share:.2f}" if share >= 0.005 else "< 0.01" for share in info.share]
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.set_box_aspect(_ROW * len(rows) + 0.03)
    axis.set_yticks(rows, info.names)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.set_xlim(0, 1.05)
    axis.set_xlabel(f"share in the difference between the best tenth of {info.trials} trials and the rest (PED-ANOVA)")


def summary(info: ImportancesInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    shares = [f"{name} {share:.0%}" for name, share in zip(info.names, info.share, strict=True)]
    return f"{', '.join(shares[:_MAX_NAMED])}; estimated from {info.trials} trials"
