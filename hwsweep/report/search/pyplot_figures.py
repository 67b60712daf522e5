"""Figures that a library draws with pyplot: without a trace in Matplotlib's settings, and with readable labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import Formatter, LogFormatter, NullFormatter, ScalarFormatter

from hwsweep.figures import drawing, png

_WIDTH, _HEIGHT = 8.0, 4.0  # inches
_COLUMNS = 3  # of small plots
_SETTINGS: dict[Any, Any] = {
    "figure.figsize": (_WIDTH, _HEIGHT),
    "figure.constrained_layout.use": True,
    "axes.grid": False,
    "lines.markersize": 5,
}
_LONGEST = 20  # characters of the name of a parameter, or of its value, beside an axis
_LONGEST_OBJECTIVE = 48  # characters of its name: fit an axis of four inches
_SPIKE = 20.0  # times the median; a linear axis would show nothing but the spike


class Caption(NamedTuple):
    """The words that belong to the figure that pyplot holds at the moment, and the same figure for the browser."""

    name: str
    caption: str
    summary: str
    """The numbers in the figure, for readers who cannot see it."""
    chart: bytes


@contextmanager
def own_pyplot() -> Iterator[None]:
    """Inside the `with`, pyplot draws to memory; after it, settings and open figures are as they were before."""
    figures, backend = set(pyplot.get_fignums()), matplotlib.get_backend(auto_select=False)
    with drawing.style():
        pyplot.switch_backend("agg")
        matplotlib.rcParams.update(_SETTINGS)
        try:
            yield
        finally:
            for number in set(pyplot.get_fignums()) - figures:
                pyplot.close(number)
            if backend is not None:
                pyplot.switch_backend(backend)


def save_current(path: Path) -> None:
    """Write pyplot's current figure to a PNG, after the names of listed values are made short."""
    for panel in pyplot.gcf().axes:
        for axis in (panel.xaxis, panel.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, ScalarFormatter | LogFormatter | NullFormatter):
                continue
            axis.set_major_formatter(partial(_short_text, formatter))
            texts = [text.get_text() for text in axis.get_ticklabels()]
            if axis is panel.xaxis and len("".join(texts)) > _LONGEST:
                axis.set_tick_params(rotation=90 if len(texts) > 6 else 45, labelsize=7)
    png.write(pyplot.gcf(), path)


def _short_text(formatter: Formatter, value: float, index: int | None) -> str:
    return label(formatter(value, index).strip("'"))


def break_row(panels: Sequence[Axes], y_label: str) -> None:
    """Move a row of plots that share their y axis into rows of at most three."""
    n_rows = math.ceil(len(panels) / _COLUMNS)
    n_columns = math.ceil(len(panels) / n_rows)
    grid = GridSpec(n_rows, n_columns, figure=pyplot.gcf())
    for index, panel in enumerate(panels):
        panel.set_subplotspec(grid[index])
        if index % n_columns == 0:
            panel.tick_params("y", labelleft=True)
            panel.set_ylabel(y_label)
    pyplot.gcf().set_size_inches(_WIDTH, 0.5 + 2.5 * n_rows)


def label(text: str, longest: int = _LONGEST) -> str:
    """The text for Matplotlib: dollar signs begin no formula, and the middle of a long text is left out."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[1 - longest // 2 :]}"
    return text.replace("$", r"\$")


def objective_label(name: str) -> str:
    """The name of an objective along an axis, which has space for the same name that the tables have."""
    return label(name, _LONGEST_OBJECTIVE)


def scale(values: Sequence[float]) -> str:
    """ "log" where a few large values would leave the others no space on a linear axis, else "linear"."""
    is_log = len(values) > 0 and min(values) > 0 and max(values) > _SPIKE * np.median(values)
    return "log" if is_log else "linear"
