"""The PNG files of the figures that every search has, by optuna.visualization.matplotlib, each with its chart."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from hwsweep.figures.drawing import GREY
from hwsweep.report.model_study import StudyFigure
from hwsweep.report.search import charts
from hwsweep.report.search.pyplot_figures import break_row, label, own_pyplot, save_current, scale
from hwsweep.report.search.search_data import MAX_LINES, MAX_POINTS, SearchData, complete, sample_text, value
from hwsweep.report.study_figures import SEARCH
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

_MAX_BARS, _MAX_SLICES, _MAX_COORDINATES, _MAX_MATRIX = 12, 6, 9, 3  # parameters in a figure
_MIN_COORDINATES = 4  # a contour plot shows two parameters and one objective better
_MAX_NUMBERED = 12  # trials whose numbers are in a figure
_MAX_OBJECTIVES = 3  # in the plot of the Pareto front
_MAX_NAMED = 8  # parameters, or trials of the front, in a summary


class Caption(NamedTuple):
    """The words that belong to the figure that pyplot holds at the moment, and the same figure for the browser."""

    name: str
    caption: str
    summary: str
    """The numbers in the figure, for readers who cannot see it."""
    chart: bytes


def draw_by_optuna(view: StudyView) -> Iterator[StudyFigure]:
    """search_*.png in the study's folder, one for each of Optuna's plots that has something to show."""
    search = SearchData(view)
    drawings = (
        *(_history, _importances, _slices, _contour, _rank, _parallel),
        *(_pareto, _edf, _intermediate, _trial_times),
    )
    for draw in drawings:
        figures = []
        with own_pyplot(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.filterwarnings("ignore", "The figure layout has changed to tight", UserWarning)  # by plot_timeline
            for name, caption, summary, chart in draw(search):
                path = view.directory / f"search_{name}.png"
                save_current(path)
                figures.append(StudyFigure(path, SEARCH, caption, f"{caption} {summary}.", chart))
        yield from figures


def _history(search: SearchData) -> Iterator[Caption]:
    view, trials, (objective, *others) = search.view, search.trials, search.objectives
    if others or len(trials) < 2:
        return
    axes = plots.plot_optimization_history(search.points, target_name=label(objective))
    points = complete(search.points)
    bars = [(trial.number, trial.values[0], *view.trials[trial.number].errors) for trial in points]
    if bars := [bar for bar in bars if len(bar) == 3]:  # with several seeds
        x, y, error = np.array(bars).T
        axes.errorbar(x, y, error, fmt="none", ecolor=GREY)
    axes.set_yscale(scale(search.values[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    best = (max if view.directions[0] == "maximize" else min)(search.values[0])
    states = Counter(trial.state for trial in view.trials if trial.state != "pruned" or trial.reported)
    yield Caption(
        "history",
        f"The value of every trial and the best value so far.{sample_text(len(points), len(trials))}",
        f"{len(trials)} complete, {states['pruned']} pruned, {states['failed']} failed trials; "
        f"{objective} begins at {search.values[0][0]:.5g} and ends at a best of {best:.5g}",
        charts.history(search),
    )


def _importances(search: SearchData) -> Iterator[Caption]:
    if len(search.parameters) < 2 or not search.shares:
        return
    evaluator, objectives = _known_importances(search.shares), " and ".join(map(label, search.objectives))
    axes = plots.plot_param_importances(search.study, evaluator, target=value(0), target_name=objectives)
    n = len(search.shares)
    axes.set_ylim(max(n - _MAX_BARS, 0) - 0.5, n - 0.5)
    for text in axes.texts:
        text.set_clip_on(True)
    pyplot.gcf().set_figheight(1.5 + 0.25 * min(n, _MAX_BARS))
    shares = [f"{name} {share:.0%}" for name, share in search.shares.items()]
    yield Caption(
        "importances",
        "The importance of each parameter: its share in what separates the best trials (a tenth, but at least "
        "five) from the rest (PED-ANOVA).",
        f"{', '.join(shares[:_MAX_NAMED])}; estimated from {len(search.trials)} trials",
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


def _slices(search: SearchData) -> Iterator[Caption]:
    names = search.parameters[: max(1, _MAX_SLICES // len(search.objectives))]
    shown = sample_text(len(complete(search.points)), len(search.trials))
    for index, objective in enumerate(search.objectives if names else ()):
        drawn = plots.plot_slice(search.points, names, target=value(index), target_name=label(objective))
        panels: list[Axes] = list(np.ravel(np.asarray(drawn)))
        break_row(panels, label(objective))
        panels[0].set_yscale(scale(search.values[index]))
        yield Caption(
            "slices" if len(search.objectives) == 1 else f"slices_{index + 1}",
            f"The effect of each parameter alone: the objective against its values, a small plot for each.{shown}",
            f"{', '.join(names)} against {objective}, {len(search.trials)} trials",
            charts.slices(search, names, index),
        )


def _contour(search: SearchData) -> Iterator[Caption]:
    names, (objective, *others) = search.parameters[:_MAX_MATRIX], search.objectives
    trials = [trial for trial in complete(search.grid) if all(name in trial.params for name in names)]
    values = [trial.values[0] for trial in trials]
    if others or len(names) < 2 or len(set(values)) < 2:
        return
    target, target_name = colour = _colour(search)
    plots.plot_contour(search.grid, names, target=target, target_name=label(target_name))
    _enlarge_matrix(names)
    yield Caption(
        "contour",
        "The joint effect of two parameters: the objective over their plane."
        f"{sample_text(len(complete(search.grid)), len(search.trials))}",
        f"{objective} over {' and '.join(names)}, {len(values)} trials, from {min(values):.5g} to {max(values):.5g}",
        charts.contour(search, names, colour),
    )


def _rank(search: SearchData) -> Iterator[Caption]:
    names, (objective, *others) = search.parameters[:_MAX_MATRIX], search.objectives
    trials = complete(search.lines)
    if others or len(names) < 2 or len(trials) < 2:
        return
    plots.plot_rank(search.lines, names, target_name=label(objective))
    _enlarge_matrix(names)
    yield Caption(
        "rank",
        f"The rank of each trial, from the lowest (blue) to the highest value (red), over pairs of parameters."
        f"{sample_text(len(trials), len(search.trials))}",
        f"ranks of {objective} over {', '.join(names)}, {len(trials)} trials",
        charts.rank(search, names),
    )


def _enlarge_matrix(names: list[str]) -> None:
    """Give a matrix of plots space for its labels."""
    if len(names) > 2:
        pyplot.gcf().set_figheight(8)
        for panel in pyplot.gcf().axes:
            panel.tick_params(labelsize=7)


def _parallel(search: SearchData) -> Iterator[Caption]:
    names = search.parameters[:_MAX_COORDINATES]
    if not names or len(search.parameters) + len(search.objectives) < _MIN_COORDINATES:
        return
    target, target_name = colour = _colour(search)
    search.lines.set_metric_names([*map(label, search.objectives)])
    plots.plot_parallel_coordinate(search.lines, names, target=target, target_name=label(target_name))
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


def _pareto(search: SearchData) -> Iterator[Caption]:
    if len(search.objectives) < 2 or len(search.trials) < 2:
        return
    better = {"minimize": "lower is better", "maximize": "higher is better"}
    ways = [better[direction] for direction in search.view.directions][:_MAX_OBJECTIVES]
    names = [f"{name} ({way})" for name, way in zip(search.objectives, ways, strict=False)]
    labels = [f"{label(name)} ({way})" for name, way in zip(search.objectives, ways, strict=False)]

    def targets(trial: FrozenTrial) -> list[float]:
        return list(trial.values[:_MAX_OBJECTIVES])

    axes = plots.plot_pareto_front(search.points, target_names=labels, targets=targets)
    front = {str(trial.number): (trial.values[0], trial.values[1]) for trial in search.front}
    if len(search.objectives) == 2:
        axes.set(xscale=scale(search.values[0]), yscale=scale(search.values[1]))
        for number, values in front.items() if len(front) <= _MAX_NUMBERED else ():
            axes.annotate(number, values, (4, 4), textcoords="offset points", fontsize=7)
    else:
        pyplot.gcf().set_figheight(6)
        axes.set_box_aspect(None, zoom=0.8)  # type: ignore[call-arg]  # 3D axes, whose labels need space
    yield Caption(
        "pareto",
        "Several objectives at once, and the Pareto front: trials such that no other is better in all objectives."
        f"{sample_text(len(complete(search.points)), len(search.trials))}",
        f"{len(front)} of {len(search.trials)} trials on the front: {', '.join(list(front)[:_MAX_NAMED])}",
        charts.pareto(search, names, targets),
    )


def _edf(search: SearchData) -> Iterator[Caption]:
    objective, *others = search.objectives
    if others or len(search.trials) < 2 or len(set(search.values[0])) < 2:
        return
    plots.plot_edf(search.study, target_name=label(objective))
    quartiles = ", ".join(f"{value:.5g}" for value in np.quantile(search.values[0], (0.25, 0.5, 0.75)))
    yield Caption(
        "edf",
        "The share of the trials up to each value: the empirical distribution function.",
        f"quartiles of {objective}: {quartiles}; {len(search.trials)} trials",
        charts.edf(search),
    )


def _intermediate(search: SearchData) -> Iterator[Caption]:
    view, (objective, *others) = search.view, search.objectives
    reported = [trial for trial in view.trials if trial.reported and trial.state != "failed"]
    if others or len(reported) < 2 or max(len(trial.reported) for trial in reported) < 2:
        return
    study = search.sample(reported, MAX_LINES)
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.intermediate_values]
    numbers = {trial.number for trial in trials} & {trial.number for trial in reported}
    axes = plots.plot_intermediate_values(study)
    values = [value for trial in trials for value in trial.intermediate_values.values() if math.isfinite(value)]
    y_scale = scale(values)
    axes.set(xlabel="step (epoch)", ylabel=label(objective), yscale=y_scale)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if (legend := axes.get_legend()) is not None and len(numbers) > _MAX_NUMBERED:
        legend.remove()
    n_pruned = sum(view.trials[number].state == "pruned" for number in numbers)
    yield Caption(
        "intermediate",
        "The values that trials reported during training, and where they were pruned."
        f"{sample_text(len(numbers), len(reported))}",
        f"{objective} of {len(numbers)} trials by step, {n_pruned} of them pruned",
        charts.intermediate(search, study, y_scale),
    )


def _trial_times(search: SearchData) -> Iterator[Caption]:
    trials = search.view.trials
    if sum(trial.record is not None and trial.record.datetime_complete is not None for trial in trials) < 2:
        return
    axes = plots.plot_timeline(search.study, n_recent_trials=MAX_POINTS)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
    axes.set_xlabel("time of day")
    shown = f" Shown: the last {MAX_POINTS:,} of {len(trials):,} trials." if len(trials) > MAX_POINTS else ""
    yield Caption(
        "trial_times",
        f"When each trial began and ended.{shown}",
        f"{len(trials)} trials, {', '.join(f'{n} {state}' for state, n in Counter(t.state for t in trials).items())}",
        charts.timeline(search, MAX_POINTS),
    )


def _colour(search: SearchData) -> charts.Colour:
    """The target that a colour shows, and its name; None for Optuna's choice: the objective, or the Pareto rank."""
    if len(search.objectives) > 1 or scale(search.values[0]) == "linear":
        return None, search.objectives[0]
    return lambda trial: math.log10(trial.values[0]), f"log10 {search.objectives[0]}"
