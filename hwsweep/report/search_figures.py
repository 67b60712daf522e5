"""The figures that every search has, drawn by Optuna from the trials of a view."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as plots

from hwsweep.figures.drawing import GREY
from hwsweep.figures.pyplot_figures import break_row, label, own_pyplot, save_current, scale
from hwsweep.report.model_study import StudyFigure
from hwsweep.report.naming import short_name, subset
from hwsweep.report.study_figures import SEARCH
from hwsweep.sweep.study.optuna_study import importances, optuna_study
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

_MAX_BARS, _MAX_SLICES, _MAX_COORDINATES = 12, 6, 9  # parameters in a figure
_MIN_COORDINATES = 4  # a contour plot shows two parameters and one objective better
_MAX_CURVES = 300
_MAX_NUMBERED = 12  # trials whose numbers are in a figure
_MAX_OBJECTIVES = 3  # in the plot of the Pareto front
_MAX_NAMED = 8  # parameters, or trials of the front, in a summary


class Search(NamedTuple):
    """What the figures are drawn from."""

    view: StudyView
    study: Study
    trials: list[FrozenTrial]
    """The complete trials whose values are finite."""
    objectives: list[str]
    values: list[list[float]]
    """Per objective the values of these trials."""
    shares: dict[str, float]
    """Importance of each parameter; empty if unknown."""
    parameters: list[str]
    """The parameters that take several values, the most important one first."""


class Caption(NamedTuple):
    """The words that belong to the figure that pyplot holds at the moment."""

    name: str
    caption: str
    summary: str
    """The numbers in the figure, for readers who cannot see it."""


def draw_by_optuna(view: StudyView) -> Iterator[StudyFigure]:
    """search_*.png in the study's folder, one for each of Optuna's plots that has something to show."""
    search = _search(view)
    for draw in (_history, _importances, _slices, _contour, _parallel, _pareto, _intermediate):
        figures = []
        with own_pyplot(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            for name, caption, summary in draw(search):
                path = view.directory / f"search_{name}.png"
                save_current(path)
                figures.append(StudyFigure(path, SEARCH, caption, f"{caption} {summary}."))
        yield from figures


def _search(view: StudyView) -> Search:
    keys = dict.fromkeys(key for trial in view.trials for key in trial.params)
    counts = Counter(map(short_name, keys))
    study = optuna_study(view, {key: short_name(key) for key in keys if counts[short_name(key)] == 1})
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    shares = importances(study)
    choices: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            choices.setdefault(name, set()).add(str(value))
    varied = [name for name in choices if len(choices[name]) > 1]
    return Search(
        view,
        study,
        trials,
        objectives=[label(name) for name in view.objective_names],
        values=[[trial.values[index] for trial in trials] for index in range(len(view.directions))],
        shares=shares,
        parameters=sorted(varied, key=lambda name: -shares.get(name, 0.0)),
    )


def _history(search: Search) -> Iterator[Caption]:
    view, trials, (objective, *others) = search.view, search.trials, search.objectives
    if others or len(trials) < 2:
        return
    axes = plots.plot_optimization_history(search.study, target_name=objective)
    bars = [(trial.number, trial.values[0], *view.trials[trial.number].errors) for trial in trials]
    if bars := [bar for bar in bars if len(bar) == 3]:  # with several seeds
        x, y, error = np.array(bars).T
        axes.errorbar(x, y, error, fmt="none", ecolor=GREY)
    axes.set_yscale(scale(search.values[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    states = Counter(trial.state for trial in view.trials if trial.state != "pruned" or trial.reported)
    yield Caption(
        "history",
        "The value of every trial and the best value so far.",
        f"{len(trials)} complete, {states['pruned']} pruned, {states['failed']} failed trials; "
        f"{objective} begins at {search.values[0][0]:.5g} and ends at a best of {search.study.best_value:.5g}",
    )


def _importances(search: Search) -> Iterator[Caption]:
    if len(search.parameters) < 2 or not search.shares:
        return
    evaluator, objectives = _known_importances(search.shares), " and ".join(search.objectives)
    axes = plots.plot_param_importances(search.study, evaluator, target=_value(0), target_name=objectives)
    n = len(search.shares)
    axes.set_ylim(max(n - _MAX_BARS, 0) - 0.5, n - 0.5)
    for text in axes.texts:
        text.set_clip_on(True)
    pyplot.gcf().set_figheight(1.5 + 0.25 * min(n, _MAX_BARS))
    shares = [f"{name} {share:.0%}" for name, share in search.shares.items()]
    yield Caption(
        "importances",
        "The importance of each parameter: its share in what separates the best tenth of the trials from the rest "
        "(PED-ANOVA).",
        f"{', '.join(shares[:_MAX_NAMED])}; estimated from {len(search.trials)} trials",
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


def _slices(search: Search) -> Iterator[Caption]:
    names = search.parameters[: max(1, _MAX_SLICES // len(search.objectives))]
    for index, objective in enumerate(search.objectives if names else ()):
        drawn = plots.plot_slice(search.study, names, target=_value(index), target_name=objective)
        panels: list[Axes] = list(np.ravel(np.asarray(drawn)))
        break_row(panels, objective)
        panels[0].set_yscale(scale(search.values[index]))
        yield Caption(
            "slices" if len(search.objectives) == 1 else f"slices_{index + 1}",
            "The effect of each parameter alone: the objective against its values, a small plot for each.",
            f"{', '.join(names)} against {objective}, {len(search.trials)} trials",
        )


def _contour(search: Search) -> Iterator[Caption]:
    names, (objective, *others) = search.parameters, search.objectives
    values = [trial.values[0] for trial in search.trials if all(name in trial.params for name in names)]
    if others or len(names) != 2 or len(set(values)) < 2:
        return
    target, target_name = _colour(search)
    plots.plot_contour(search.study, names, target=target, target_name=target_name)
    yield Caption(
        "contour",
        "The joint effect of two parameters: the objective over their plane.",
        f"{objective} over {' and '.join(names)}, {len(values)} trials, from {min(values):.5g} to {max(values):.5g}",
    )


def _parallel(search: Search) -> Iterator[Caption]:
    names = search.parameters[:_MAX_COORDINATES]
    if not names or len(search.parameters) + len(search.objectives) < _MIN_COORDINATES:
        return
    search.study.set_metric_names(search.objectives)
    target, target_name = _colour(search)
    plots.plot_parallel_coordinate(search.study, names, target=target, target_name=target_name)
    for panel in pyplot.gcf().axes:
        for text in panel.get_yticklabels():
            text.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5})
    yield Caption(
        "parallel",
        "All parameters and objectives of each trial at once: parallel coordinates (Inselberg 1985).",
        f"{', '.join([*names, *search.objectives])}; {len(search.trials)} trials",
    )


def _pareto(search: Search) -> Iterator[Caption]:
    if len(search.objectives) < 2 or len(search.trials) < 2:
        return
    better = {"minimize": "lower is better", "maximize": "higher is better"}
    names = [f"{name} ({better[way]})" for name, way in zip(search.objectives, search.view.directions, strict=True)]
    axes = plots.plot_pareto_front(
        search.study, target_names=names[:_MAX_OBJECTIVES], targets=lambda trial: trial.values[:_MAX_OBJECTIVES]
    )
    front = {str(trial.number): trial.values for trial in search.study.best_trials}
    if len(names) == 2:
        axes.set(xscale=scale(search.values[0]), yscale=scale(search.values[1]))
        for number, values in front.items() if len(front) <= _MAX_NUMBERED else ():
            axes.annotate(number, values, (4, 4), textcoords="offset points", fontsize=7)
    else:
        pyplot.gcf().set_figheight(6)
        axes.set_box_aspect(None, zoom=0.8)  # type: ignore[call-arg]  # 3D axes, whose labels need space
    yield Caption(
        "pareto",
        "Several objectives at once, and the Pareto front: trials such that no other is better in all objectives.",
        f"{len(front)} of {len(search.trials)} trials on the front: {', '.join(list(front)[:_MAX_NAMED])}",
    )


def _intermediate(search: Search) -> Iterator[Caption]:
    view, (objective, *others) = search.view, search.objectives
    trials = [trial for trial in view.trials if trial.reported and trial.state != "failed"]
    if others or len(trials) < 2 or max(len(trial.reported) for trial in trials) < 2:
        return
    is_large, trials = len(trials) > _MAX_CURVES, subset(trials, _MAX_CURVES)
    axes = plots.plot_intermediate_values(optuna_study(view._replace(trials=trials)) if is_large else search.study)
    values = [value for trial in trials for value in trial.reported.values() if math.isfinite(value)]
    axes.set(xlabel="step (epoch)", ylabel=objective, yscale=scale(values))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if (legend := axes.get_legend()) is not None and len(trials) > _MAX_NUMBERED:
        legend.remove()
    yield Caption(
        "intermediate",
        "The values that trials reported during training, and where they were pruned.",
        f"{objective} of {len(trials)} trials by step, "
        f"{sum(trial.state == 'pruned' for trial in trials)} of them pruned",
    )


def _value(index: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[index]


def _colour(search: Search) -> tuple[Callable[[FrozenTrial], float] | None, str]:
    """The target that a colour shows, and its name; None for Optuna's choice: the objective, or the Pareto rank."""
    if len(search.objectives) > 1 or scale(search.values[0]) == "linear":
        return None, search.objectives[0]
    return lambda trial: math.log10(trial.values[0]), f"log10 {search.objectives[0]}"
