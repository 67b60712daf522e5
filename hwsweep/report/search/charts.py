"""Optuna's figures for the browser, each as the compressed JSON that html/charts.js gives to Plotly."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from html import escape
from itertools import product
from typing import TYPE_CHECKING, Any

from optuna import Study, visualization
from optuna.trial import FrozenTrial

from hwsweep.figures.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION
from hwsweep.figures.study.timeline import COLOURS
from hwsweep.files import without_passwords
from hwsweep.report.naming import value_text, verdict
from hwsweep.report.search.pyplot_figures import scale
from hwsweep.report.search.search_data import SearchData, complete, value

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

_STATES = {"FAIL": "failed"}  # Optuna's name -> the page's, where it is not the same in lower case
SERIES = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE)
"""Colours of studies."""
_MATRIX_HEIGHT = 600  # pixels
_NUMBER = re.compile(r'Trial #(\d+)|"number": (\d+)')  # in Optuna's own hover texts
Colour = tuple[Callable[[FrozenTrial], float] | None, str]
"""The target that a colour shows, and its name."""


def history(search: SearchData) -> bytes:
    """The value of every trial and the best so far."""
    figure = visualization.plot_optimization_history(search.points, target_name=search.objectives[0])
    points, best, *_ = figure.data
    points.customdata = list(points.x)
    errors = [search.view.trials[number].errors for number in points.x]
    if any(errors):
        points.error_y = {"array": [error[0] if error else None for error in errors], "thickness": 1}
    best.update(name="best so far", hoverinfo="skip", line_shape="hv")
    figure.update_yaxes(type=scale(search.values[0]))
    return _packed(figure, search)


def importance(search: SearchData, evaluator: BaseImportanceEvaluator) -> bytes:
    """A bar with its interval for each parameter."""
    name = " and ".join(search.objectives)
    figure = visualization.plot_param_importances(search.study, evaluator, target=value(0), target_name=name)
    for bars in figure.data:
        found = [(name, search.shares[name]) for name in bars.y]
        bars.x = [each.share for _, each in found]  # Optuna makes the shares of the shown parameters sum to 1
        low, high = [each.share - each.low for _, each in found], [each.high - each.share for _, each in found]
        bars.error_x = {"array": high, "arrayminus": low, "thickness": 1}
        bars.text, bars.textposition, bars.insidetextanchor = [f"{x:.0%}" for x in bars.x], "inside", "start"
        texts = [f"{name}: {each.share:.0%} ({each.low:.0%} to {each.high:.0%})" for name, each in found]
        bars.hovertext, bars.hovertemplate = texts, "%{hovertext}<extra></extra>"
    figure.update_xaxes(range=(0, 1), tickformat=".0%")
    figure.update_layout(showlegend=False)
    return _packed(figure, search)


def slices(search: SearchData, names: list[str], index: int) -> bytes:
    """A panel for each parameter; the browser arranges them in as many columns as there is space for."""
    target = None if len(search.objectives) == 1 else value(index)
    figure = visualization.plot_slice(search.points, names, target=target, target_name=search.objectives[index])
    for trace in figure.data:
        trace.customdata = list(trace.marker.color)
    figure.update_yaxes(type=scale(search.values[index]))
    figure.update_layout(width=None, meta={"panels": len(names)})
    return _packed(figure, search)


def contour(search: SearchData, names: list[str], colour: Colour) -> bytes:
    """The objective over the plane of each pair of parameters."""
    target, target_name = colour
    figure = visualization.plot_contour(search.grid, names, target=target, target_name=target_name)
    ordered, traces = sorted(names), iter(figure.data)
    for x, y in [(ordered[0], ordered[1])] if len(names) == 2 else product(ordered, ordered):
        trace = next(traces)
        if x != y:
            dots = next(traces)
            dots.customdata = [each.number for each in complete(search.grid) if x in each.params and y in each.params]
            dots.marker.size = 4
            trace.hoverinfo = "skip"
    figure.update_layout(height=_MATRIX_HEIGHT)
    return _packed(figure, search)


def rank(search: SearchData, names: list[str]) -> bytes:
    """The rank of each trial over the plane of each pair of parameters."""
    figure = visualization.plot_rank(search.lines, names, target_name=search.objectives[0])
    _number_by("hovertext", figure)
    figure.update_layout(height=_MATRIX_HEIGHT)
    return _packed(figure, search)


def parallel(search: SearchData, names: list[str], colour: Colour) -> bytes:
    """A line for each trial over all parameters and objectives; a box drawn over an axis selects lines."""
    target, target_name = colour
    figure = visualization.plot_parallel_coordinate(search.lines, names, target=target, target_name=target_name)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    trials = list(complete(search.lines))
    if (n := len(search.objectives)) > 1:  # Optuna draws in the order of Pareto ranks
        trials.sort(key=lambda trial: trial.values)
        lines.sort(key=lambda line: list(line.y)[:n])
    for line, trial in zip(lines, trials, strict=True):
        # Plotly selects points, not lines: the markers are there for its box, invisible.
        line.update(customdata=[trial.number] * len(line.x), mode="lines+markers", marker={"size": 6, "opacity": 0})
    figure.update_annotations(font_color=None, bgcolor=None)  # the page's colours
    figure.update_layout(dragmode="select", plot_bgcolor=None, meta={"brush": True})
    figure.update_xaxes(fixedrange=True)
    return _packed(figure, search)


def edf(search: SearchData) -> bytes:
    """The share of trials up to each value."""
    figure = visualization.plot_edf(search.study, target_name=search.objectives[0])
    figure.update_traces(hovertemplate="%{y:.0%} up to %{x:.5g}", name="")
    figure.update_yaxes(title_text="share of the trials")
    return _packed(figure, search)


def intermediate(search: SearchData, study: Study, y_scale: str) -> bytes:
    """A line for each trial that reported values during training."""
    figure = visualization.plot_intermediate_values(study)
    for trace in figure.data:
        trace.customdata = [int(trace.name.removeprefix("Trial"))] * len(trace.x)
    figure.update_xaxes(title_text="step (epoch)")
    figure.update_yaxes(title_text=search.objectives[0], type=y_scale)
    figure.update_layout(hovermode="closest")
    return _packed(figure, search)


def timeline(search: SearchData, n_recent: int) -> bytes:
    """A bar for each trial, from its start to its end."""
    figure = visualization.plot_timeline(search.study, n_recent_trials=n_recent)
    _number_by("text", figure)
    for bars in figure.data:
        bars.update(name=_STATES.get(bars.name, bars.name.lower()), marker_line_width=0)
        bars.marker.color = COLOURS.get(bars.name, GREY)
    figure.update_xaxes(title_text="time of day")
    return _packed(figure, search)


def pareto(search: SearchData, names: list[str], targets: Callable[[FrozenTrial], list[float]]) -> bytes:
    """The trials in the plane, or the space, of their objectives."""
    figure = visualization.plot_pareto_front(search.points, target_names=names, targets=targets)
    _number_by("text", figure)
    if len(names) == 2:
        figure.update_xaxes(type=scale(search.values[0]))
        figure.update_yaxes(type=scale(search.values[1]))
    else:
        figure.update_layout(height=_MATRIX_HEIGHT)
    return _packed(figure, search)


def joint_history(searches: list[SearchData], y_scale: str) -> bytes:
    """The value of every trial and the best so far, of each study; a study has one colour."""
    studies, objective = [each.points for each in searches], searches[0].objectives[0]
    figure = visualization.plot_optimization_history(studies, target_name=objective)
    shown = [trace for trace in figure.data if trace.showlegend is not False]
    for index, (search, points, best) in enumerate(zip(searches, shown[::2], shown[1::2], strict=True)):
        colour, name = SERIES[index % len(SERIES)], search.view.name
        points.update(name=name, marker_color=colour, hovertemplate="trial %{x}: %{y:.5g}")
        best.update(name=f"best of {name} so far", line={"color": colour, "shape": "hv"}, hoverinfo="skip")
    figure.update_yaxes(type=y_scale)
    return _packed(figure, searches[0])


def joint_edf(searches: list[SearchData], x_scale: str) -> bytes:
    """The share of trials up to each value, of each study."""
    figure = visualization.plot_edf([each.study for each in searches], target_name=searches[0].objectives[0])
    for index, line in enumerate(figure.data):
        line.update(line_color=SERIES[index % len(SERIES)], hovertemplate="%{y:.0%} up to %{x:.5g}")
    figure.update_xaxes(type=x_scale)
    figure.update_yaxes(title_text="share of the trials")
    return _packed(figure, searches[0])


def _packed(figure: Any, search: SearchData) -> bytes:
    """Traces, layout and the text of each trial, compressed; `customdata` has the number of each point's trial."""
    content = json.loads(figure.to_json(validate=False))
    traces, layout = content["data"], content["layout"]
    for unwanted in ("title", "template", "width"):
        layout.pop(unwanted, None)
    numbers = {number for trace in traces for number in trace.get("customdata", [])}
    # Plotly reads tags in texts. Names come from the user; only the texts of the trials have tags, which are ours.
    plain = json.loads(json.dumps({"traces": traces, "layout": layout}).replace("<", "&lt;"))
    texts = {number: hover_text(search, number) for number in sorted(numbers)}
    content = json.dumps({**plain, "texts": texts}, ensure_ascii=False)
    return gzip.compress(without_passwords(content).encode(), mtime=0)


def _number_by(field: str, figure: Any) -> None:
    """Replace Optuna's own texts by the numbers of the trials that they begin with."""
    for trace in figure.data:
        if trace[field]:
            found = [_NUMBER.search(text) for text in trace[field]]
            trace.customdata = [int(each[1] or each[2]) for each in found if each]
            trace[field] = None


def hover_text(search: SearchData, number: int) -> str:
    """Number, state if it is not complete, values, parameters and verdict of a trial, a line each."""
    trial = search.view.trials[number]
    state = "" if trial.state == "complete" else f", {trial.state}"
    state += ", infeasible" * (trial.feasibility == "infeasible")
    values = [f"{name}: {number:.5g}" for name, number in zip(search.objectives, trial.values, strict=False)]
    parameters = [f"{search.names[key]} = {value_text(each)}" for key, each in trial.params.items()]
    lines = [*values, *parameters, *filter(None, [verdict(trial)])]
    return "<br>".join([f"<b>trial {number}</b>{state}", *(escape(line, quote=False) for line in lines)])
