"""The effects of the parameters of a search, drawn by optuna.visualization.matplotlib, each figure with its chart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from optuna import Study
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from hwsweep.report.search import charts
from hwsweep.report.search.pyplot_figures import Caption, break_row, label, objective_label, scale
from hwsweep.report.search.search_data import SearchData, complete, sample_text, value
from hwsweep.report.trust.points import MAX_TRIALS

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

_MAX_BARS, _MAX_SLICES, _MAX_COORDINATES, _MAX_MATRIX = 12, 6, 9, 3  # parameters in a figure
_MIN_COORDINATES = 4  # a contour plot shows two parameters and one objective better
_MAX_NAMED = 8  # parameters in a summary


def importances(search: SearchData) -> Iterator[Caption]:
    """A bar with its interval for each parameter: its share in what separates the best trials."""
    if len(search.parameters) < 2 or not search.shares:
        return
    found = list(search.shares.values())
    shares = {name: each.share for name, each in search.shares.items()}
    evaluator, objectives = _known_importances(shares), " and ".join(map(objective_label, search.objectives))
    axes = plots.plot_param_importances(search.study, evaluator, target=value(0), target_name=objectives)
    n = len(found)
    for bar, text, each in zip(axes.patches, axes.texts, reversed(found), strict=True):
        bar.set(width=each.share)  # Optuna makes the shares of the shown parameters sum to 1
        text.set(text=f"{each.share:.0%}", x=each.high, clip_on=True)
    spans = np.array([(each.share - each.low, each.high - each.share) for each in found]).T
    axes.errorbar(list(shares.values()), np.arange(n)[::-1], xerr=spans, fmt="none", ecolor="black", capsize=3)
    axes.set(xlim=(0, 1.05), ylim=(max(n - _MAX_BARS, 0) - 0.5, n - 0.5))
    pyplot.gcf().set_figheight(1.5 + 0.25 * min(n, _MAX_BARS))
    texts = [f"{name} {each.share:.0%} ({each.low:.0%} to {each.high:.0%})" for name, each in search.shares.items()]
    yield Caption(
        "importances",
        "The importance of each parameter that is told from zero, with its 90 % interval: its share in what separates "
        "the best trials (a tenth, but at least five) from the rest (PED-ANOVA).",
        f"{', '.join(texts[:_MAX_NAMED])}; estimated from {min(len(search.trials), MAX_TRIALS)} trials",
        charts.importance(search, evaluator),
    )


def _known_importances(shares: dict[str, float]) -> BaseImportanceEvaluator:
    """An evaluator that returns these shares: Optuna would evaluate each objective alone, as if it were minimised."""
    from optuna.importance import BaseImportanceEvaluator  # imports scikit-learn, which takes a second

    class KnownImportances(BaseImportanceEvaluator):
        def evaluate(
            self,
            study: Study,
            params: list[str] | None = None,
            *,
            target: Callable[[FrozenTrial], float] | None = None,
        ) -> dict[str, float]:
            return shares

    return KnownImportances()


def slices(search: SearchData) -> Iterator[Caption]:
    """The objective against each parameter, a figure for each objective."""
    names = search.parameters[: max(1, _MAX_SLICES // len(search.objectives))]
    shown = sample_text(len(complete(search.points)), len(search.trials))
    for index, objective in enumerate(search.objectives if names else ()):
        drawn = plots.plot_slice(search.points, names, target=value(index), target_name=objective_label(objective))
        panels: list[Axes] = list(np.ravel(np.asarray(drawn)))
        break_row(panels, objective_label(objective))
        panels[0].set_yscale(scale(search.values[index]))
        yield Caption(
            "slices" if len(search.objectives) == 1 else f"slices_{index + 1}",
            f"The effect of each parameter alone: the objective against its values, a small plot for each.{shown}",
            f"{', '.join(names)} against {objective}, {len(search.trials)} trials",
            charts.slices(search, names, index),
        )


def contour(search: SearchData) -> Iterator[Caption]:
    """The objective over the plane of two parameters, or of each pair of three."""
    names, (objective, *others) = search.parameters[:_MAX_MATRIX], search.objectives
    trials = [trial for trial in complete(search.grid) if all(name in trial.params for name in names)]
    values = [trial.values[0] for trial in trials]
    if others or len(names) < 2 or len(set(values)) < 2:
        return
    target, target_name = colour = _colour(search)
    plots.plot_contour(search.grid, names, target=target, target_name=objective_label(target_name))
    _enlarge_matrix(names)
    yield Caption(
        "contour",
        "The joint effect of two parameters: the objective over their plane."
        f"{sample_text(len(complete(search.grid)), len(search.trials))}",
        f"{objective} over {' and '.join(names)}, {len(values)} trials, from {min(values):.5g} to {max(values):.5g}",
        charts.contour(search, names, colour),
    )


def rank(search: SearchData) -> Iterator[Caption]:
    """The rank of each trial over the plane of two parameters, or of each pair of three."""
    names, (objective, *others) = search.parameters[:_MAX_MATRIX], search.objectives
    trials = complete(search.lines)
    if others or len(names) < 2 or len(trials) < 2:
        return
    plots.plot_rank(search.lines, names, target_name=objective_label(objective))
    _enlarge_matrix(names)
    yield Caption(
        "rank",
        f"The rank of each trial, from the lowest (blue) to the highest value (red), over pairs of parameters."
        f"{sample_text(len(trials), len(search.trials))}",
        f"ranks of {objective} over {', '.join(names)}, {len(trials)} trials",
        charts.rank(search, names),
    )


def parallel(search: SearchData) -> Iterator[Caption]:
    """A line for each trial over all parameters and objectives."""
    names = search.parameters[:_MAX_COORDINATES]
    if not names or len(search.parameters) + len(search.objectives) < _MIN_COORDINATES:
        return
    target, target_name = colour = _colour(search)
    search.lines.set_metric_names([*map(label, search.objectives)])
    plots.plot_parallel_coordinate(search.lines, names, target=target, target_name=objective_label(target_name))
    for panel in pyplot.gcf().axes:
        for text in panel.get_yticklabels():
            text.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5})
    search.lines.set_metric_names(search.objectives)
    yield Caption(
        "parallel",
        "All parameters and objectives of each trial at once: parallel coordinates (Inselberg 1985)."
        f"{sample_text(len(complete(search.lines)), len(search.trials))}",
        f"{', '.join([*names, *search.objectives])}; {len(search.trials)} trials",
        charts.parallel(search, names, colour),
    )


def _enlarge_matrix(names: list[str]) -> None:
    """Give a matrix of plots space for its labels."""
    if len(names) > 2:
        pyplot.gcf().set_figheight(8)
        for panel in pyplot.gcf().axes:
            panel.tick_params(labelsize=7)


def _colour(search: SearchData) -> charts.Colour:
    """The target that a colour shows, and its name; None for Optuna's choice: the objective, or the Pareto rank."""
    if len(search.objectives) > 1 or scale(search.values[0]) == "linear":
        return None, search.objectives[0]
    return lambda trial: math.log10(trial.values[0]), f"log10 {search.objectives[0]}"
