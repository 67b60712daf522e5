"""The values of several studies in one figure: histories and distribution functions, drawn by Optuna's plots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np
from matplotlib.ticker import MaxNLocator
from optuna.visualization import matplotlib as plots

from hwsweep.report.search import charts
from hwsweep.report.search.pyplot_figures import Caption, objective_label, scale
from hwsweep.report.search.search_data import SearchData, complete, sample_text
from hwsweep.sweep.config_snapshot import plain_config
from hwsweep.sweep.study.view import StudyView

_MIN_TRIALS = 2  # of a study, to show anything over trials


def comparable(views: Sequence[StudyView]) -> list[list[StudyView]]:
    """Studies of one objective each, in groups that share its name and direction; a group has at least two."""
    groups: dict[tuple[str, str], list[StudyView]] = defaultdict(list)
    for view in views:
        if len(view.directions) == 1 and len(view.complete_trials) >= _MIN_TRIALS:
            groups[view.objective_names[0], view.directions[0]].append(view)
    return [group for group in groups.values() if len(group) > 1]


def history(searches: list[SearchData]) -> Iterator[Caption]:
    """The value of every trial and the best so far, of each study."""
    objective = searches[0].objectives[0]
    axes = plots.plot_optimization_history([each.points for each in searches], target_name=objective_label(objective))
    shown = [points for points in axes.collections if np.size(points.get_offsets())]  # not those of infeasible trials
    for points, line, colour in zip(shown, axes.lines, cycle(charts.SERIES)):
        points.set_color(colour)
        line.set_color(colour)
    axes.set_yscale(_scale(searches))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    yield Caption(
        f"history_{_file_name(objective)}",
        f"The value of every trial and the best value so far, of each study.{_sample(searches)}{_data_note(searches)}",
        f"{objective}; {_summary(searches)}",
        charts.joint_history(searches, _scale(searches)),
    )


def edf(searches: list[SearchData]) -> Iterator[Caption]:
    """The share of the trials of each study up to each value."""
    objective = searches[0].objectives[0]
    axes = plots.plot_edf([each.study for each in searches], target_name=objective_label(objective))
    for line, colour in zip(axes.lines, cycle(charts.SERIES)):
        line.set_color(colour)
    axes.legend()
    axes.set_xscale(_scale(searches))
    yield Caption(
        f"edf_{_file_name(objective)}",
        f"The share of the trials up to each value, of each study: empirical distribution functions."
        f"{_data_note(searches)}",
        f"{objective}; {_summary(searches)}",
        charts.joint_edf(searches, _scale(searches)),
    )


def _scale(searches: list[SearchData]) -> str:
    return scale([value for search in searches for value in search.values[0]])


def _sample(searches: list[SearchData]) -> str:
    shown = sum(len(complete(each.points)) for each in searches)
    return sample_text(shown, sum(len(each.trials) for each in searches))


def _data_note(searches: list[SearchData]) -> str:
    """A sentence where the studies read different data."""
    first, *others = (plain_config(search.view.config).get("dataset") for search in searches)
    return (
        " The studies read different data, so their values may not compare."
        if any(other != first for other in others)
        else ""
    )


def _summary(searches: list[SearchData]) -> str:
    """The best value and the number of trials of each study."""
    parts = []
    for search in searches:
        best = (max if search.view.directions[0] == "maximize" else min)(search.values[0])
        parts.append(f"{search.view.name}: {len(search.trials)} trials, at best {best:.5g}")
    return "; ".join(parts)


def _file_name(objective: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in objective)
