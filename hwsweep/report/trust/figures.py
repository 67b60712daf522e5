"""The figures of the section: importances with intervals, partial dependence, the ablation path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsweep.figures import drawing, png
from hwsweep.figures.drawing import BLUE, GREY, VERMILLION
from hwsweep.report.naming import short_name, value_text
from hwsweep.report.search.pyplot_figures import label
from hwsweep.report.trust.forest import Dependence, Step
from hwsweep.report.trust.importance import Importance
from hwsweep.report.trust.space import Key

_WIDTH, _ROW, _PANEL, _COLUMNS = 8.0, 0.3, 2.4, 3  # inches; panels in a row


def draw_importances(on_objective: Sequence[Importance], on_top: Sequence[Importance], path: Path) -> None:
    """Two bars with their intervals for each parameter, in the order of the first list."""
    names = list(dict.fromkeys(each.name for each in (*on_objective, *on_top)))
    with drawing.style():
        figure = Figure(figsize=(_WIDTH, 1.4 + 2 * _ROW * len(names)), dpi=150, layout="compressed")
        axis, rows = figure.subplots(), np.arange(len(names))
        for found, offset, colour, text in (
            (on_objective, -0.2, BLUE, "on the objective"),
            (on_top, 0.2, VERMILLION, "on being among the best tenth"),
        ):
            places = np.array([names.index(each.name) for each in found]) + offset
            shares = np.array([(each.share, each.low, each.high) for each in found]).reshape(-1, 3)
            axis.barh(places, shares[:, 0], color=colour, alpha=0.6, height=0.36, label=text)
            spans = np.abs(shares[:, 1:].T - shares[:, 0])
            axis.errorbar(shares[:, 0], places, xerr=spans, fmt="none", ecolor="black", capsize=3)
        axis.set_yticks(rows, [label(short_name(name)) for name in names])
        axis.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xlabel="share of the main effects, 90 % interval")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.grid(axis="y", visible=False)
        figure.legend(loc="outside upper center", ncols=2)
        png.write(figure, path)


def draw_dependences(keys: Sequence[Key], found: Sequence[Dependence], sign: float, name: str, path: Path) -> None:
    """A panel for each key.

    Args:
        sign: by which predictions are multiplied to be values of the objective `name`.
    """
    with drawing.style():
        n_rows = math.ceil(len(keys) / _COLUMNS)
        figure = Figure(figsize=(_WIDTH, 0.3 + _PANEL * n_rows), dpi=150, layout="constrained")
        panels = figure.subplots(n_rows, min(_COLUMNS, len(keys)), squeeze=False, sharey=True).ravel()
        for panel, key, each in zip(panels, keys, found, strict=False):
            _draw_dependence(panel, key, each, sign)
        for panel in panels[len(keys) :]:
            panel.set_axis_off()
        for panel in panels[::_COLUMNS]:
            panel.set_ylabel(f"predicted {label(name)}")
        png.write(figure, path)


def _draw_dependence(panel: Axes, key: Key, found: Dependence, sign: float) -> None:
    low, high = sorted((sign * found.low, sign * found.high), key=lambda bound: float(bound.sum()))
    if key.categories:
        panel.plot(found.places, sign * found.curves.T, color=GREY, alpha=0.25, linewidth=0.5)
        panel.errorbar(
            found.places, sign * found.mean, [sign * found.mean - low, high - sign * found.mean], fmt="o", color=BLUE,
            capsize=3, markersize=5,
        )  # fmt: skip
        names = [label(value_text(value)) for value in key.categories]
        is_long = len("".join(names)) > 24
        panel.set_xticks(found.places, names, rotation=45 if is_long else 0, ha="right" if is_long else "center")
    else:
        x = key.values(found.places)
        panel.plot(x, sign * found.curves.T, color=GREY, alpha=0.25, linewidth=0.5)
        panel.fill_between(x, low, high, color=BLUE, alpha=0.25, linewidth=0)
        panel.plot(x, sign * found.mean, color=BLUE, linewidth=1.5)
        panel.set_xscale("log" if key.is_log else "linear")
    panel.set_xlabel(label(short_name(key.name)))


def draw_ablation(first: float, steps: Sequence[Step], texts: Sequence[str], name: str, path: Path) -> None:
    """The predicted value after each change, from the top."""
    with drawing.style():
        figure = Figure(figsize=(_WIDTH, 1.2 + _ROW * (len(steps) + 1)), dpi=150, layout="compressed")
        axis, rows = figure.subplots(), np.arange(len(steps) + 1)
        values = [first, *(step.prediction for step in steps)]
        axis.plot(values, rows, "o-", color=BLUE, markersize=5)
        axis.plot(values[-1:], rows[-1:], "o", color=VERMILLION, markersize=7)
        side = -1 if values[0] > values[-1] else 1  # away from the line
        for value, row in zip(values, rows, strict=True):
            ha = "right" if side < 0 else "left"
            axis.annotate(f"{value:.4g}", (value, row), (5 * side, 4), textcoords="offset points", ha=ha)
        axis.set_yticks(rows, texts)
        axis.set(ylim=(len(steps) + 0.4, -0.6), xlabel=f"predicted {label(name)}")
        axis.margins(x=0.15)
        png.write(figure, path)
