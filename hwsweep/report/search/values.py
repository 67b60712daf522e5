"""The values of a search over its trials, drawn by optuna.visualization.matplotlib, each figure with its chart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from matplotlib import pyplot
from matplotlib.dates import ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from hwsweep.figures.drawing import GREY
from hwsweep.report.search import charts
from hwsweep.report.search.pyplot_figures import Caption, objective_label, scale
from hwsweep.report.search.search_data import MAX_LINES, MAX_POINTS, SearchData, complete, sample_text

_MAX_NUMBERED = 12  # trials whose numbers are in a figure
_MAX_OBJECTIVES = 3  # in the plot of the Pareto front
_MAX_NAMED = 8  # trials of the front in a summary


def history(search: SearchData) -> Iterator[Caption]:
    """The value of every trial and the best so far, with error bars over seeds."""
    view, trials, (objective, *others) = search.view, search.trials, search.objectives
    if others or len(trials) < 2:
        return
    axes = plots.plot_optimization_history(search.points, target_name=objective_label(objective))
    points = complete(search.points)
    bars = [(trial.number, trial.values[0], *view.trials[trial.number].errors) for trial in points]
    if bars := [bar for bar in bars if len(bar) == 3]:  # with several seeds
        x, y, error = np.array(bars).T
        axes.errorbar(x, y, error, fmt="none", ecolor=GREY)
    axes.set_yscale(scale(search.values[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    best = (max if view.directions[0] == "maximize" else min)(search.values[0])
    infeasible = ", infeasible ones included" * (len(view.feasible_trials) < len(view.complete_trials))
    states = Counter(trial.state for trial in view.trials if trial.state != "pruned" or trial.reported)
    yield Caption(
        "history",
        f"The value of every trial and the best value so far{infeasible}.{sample_text(len(points), len(trials))}",
        f"{len(trials)} complete, {states['pruned']} pruned, {states['failed']} failed trials; "
        f"{objective} begins at {search.values[0][0]:.5g} and ends at a best of {best:.5g}",
        charts.history(search),
    )


def pareto(search: SearchData) -> Iterator[Caption]:
    """The trials in the plane, or the space, of their objectives."""
    if len(search.objectives) < 2 or len(search.trials) < 2:
        return
    better = {"minimize": "lower is better", "maximize": "higher is better"}
    ways = [better[direction] for direction in search.view.directions][:_MAX_OBJECTIVES]
    names = [f"{name} ({way})" for name, way in zip(search.objectives, ways, strict=False)]
    labels = [f"{objective_label(name)} ({way})" for name, way in zip(search.objectives, ways, strict=False)]

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


def edf(search: SearchData) -> Iterator[Caption]:
    """The share of the trials up to each value."""
    objective, *others = search.objectives
    if others or len(search.trials) < 2 or len(set(search.values[0])) < 2:
        return
    plots.plot_edf(search.study, target_name=objective_label(objective))
    quartiles = ", ".join(f"{value:.5g}" for value in np.quantile(search.values[0], (0.25, 0.5, 0.75)))
    yield Caption(
        "edf",
        "The share of the trials up to each value: the empirical distribution function.",
        f"quartiles of {objective}: {quartiles}; {len(search.trials)} trials",
        charts.edf(search),
    )


def intermediate(search: SearchData) -> Iterator[Caption]:
    """The values that trials reported during training."""
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
    axes.set(xlabel="step (epoch)", ylabel=objective_label(objective), yscale=y_scale)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if (legend := axes.get_legend()) is not None and len(numbers) > _MAX_NUMBERED:
        legend.remove()
    ended = Counter(view.trials[number].state for number in numbers)
    paused = f", {ended['paused']} paused" if ended["paused"] else ""
    yield Caption(
        "intermediate",
        "The values that trials reported during training, and where they were pruned or paused."
        f"{sample_text(len(numbers), len(reported))}",
        f"{objective} of {len(numbers)} trials by step, {ended['pruned']} of them pruned{paused}",
        charts.intermediate(search, study, y_scale),
    )


def trial_times(search: SearchData) -> Iterator[Caption]:
    """A bar for each trial, from its start to its end."""
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
