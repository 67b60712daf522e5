"""The tables of the page: the trials, and their metrics beside a prediction or a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from hwsweep.report.html.page import Cell, Failed, Table
from hwsweep.report.naming import command_line, count, number_text, short_name, trial_title, value_text, verdict
from hwsweep.sweep.study.optuna_study import pareto_front
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.trial import Value
from hwsweep.tracking.addresses import run_page

FRONT = "Pareto front"
"""The column that marks the trials such that no other is better in all objectives."""
MIN_FIXED = 0.01
"""A column whose numbers are smaller has four significant digits instead of four decimals."""
LOG_DECIMALS = 2
"""Of values of a logarithmic interval: 1.23e-04."""
RUN_ID_LENGTH = 8
"""Characters of an MLflow run id in a cell; the cell's title has all."""


def trials_table(view: StudyView) -> Table:
    """One row per trial: swept values, objectives, the metrics that conf's `table` names, verdict, state, seconds.

    A swept key that is the same in every trial stands in the caption, not in a column.
    """
    trials = [trial for trial in view.trials if trial.failure is None]
    failed = [trial for trial in view.trials if trial.failure is not None]
    swept, results = _swept_columns(view, [*trials, *failed]), _result_columns(view, trials)
    leading = [list(cells) for cells in zip(*swept.values(), strict=True)]
    best = view.best_trial
    return Table(
        caption=_caption(view),
        columns=[*swept, *results],
        rows=[[*left, *right] for left, right in zip(leading, zip(*results.values(), strict=True), strict=False)],
        failed=[_failed(trial, cells) for trial, cells in zip(failed, leading[len(trials) :], strict=True)],
        best=trials.index(best) if best in trials and len(trials) > 1 else None,
        tools=len(view.trials) > 1,
    )


def pairs_table(view: StudyView, prefix: str, caption: str) -> list[Table]:
    """The metrics that runs have under `prefix` and on the test split, side by side; no table if there are none.

    `prefix/test_name` stands between `prefix/name` and `test/name` where runs have it.
    """
    trials = view.complete_trials
    keys = dict.fromkeys(key for trial in trials for key in trial.metrics)
    names = [name for key in keys if key.startswith(f"{prefix}/") and f"test/{(name := key.partition('/')[2])}" in keys]
    columns = {
        key: f"{name}, {column}"
        for name in names
        for key, column in (
            (f"{prefix}/{name}", prefix),
            (f"{prefix}/test_{name}", f"{prefix} for the test split"),
            (f"test/{name}", "measured"),
        )
        if key in keys
    }
    numbers = [number_cells([trial.metrics.get(key) for trial in trials]) for key in columns]
    rows = [[Cell(trial_title(trial, view)), *cells] for trial, *cells in zip(trials, *numbers, strict=True)]
    return [Table(caption, ["trial", *columns.values()], rows)] if names else []


def number_cells(values: Sequence[float | None]) -> list[Cell]:
    """A column of numbers with one number of decimals, all digits in each cell's title; a dash where there is none."""
    sizes = sorted(abs(value) for value in values if value is not None and math.isfinite(value) and value != 0)
    middle = sizes[len(sizes) // 2] if sizes else 0
    if all(size == int(size) for size in sizes):
        decimals = 0
    elif middle >= MIN_FIXED:
        decimals = 2 if middle >= 100 else 3 if middle >= 1 else 4
    else:
        decimals = 3 - math.floor(math.log10(middle))
    return [
        Cell("–" if value is None else str(value), math.inf)
        if value is None or not math.isfinite(value)
        else Cell(number_text(value, decimals), value, repr(value))
        for value in values
    ]


def number_cell(value: float | None) -> Cell:
    """A number that stands alone."""
    return number_cells([value])[0]


def metric_cells(trials: list[TrialView], name: str) -> list[Cell]:
    """The trials' metric `name`, with the word "loose" if `name_loose` is set; in the title with its `name_error`."""
    cells = []
    for trial, cell in zip(trials, number_cells([trial.metrics.get(name) for trial in trials]), strict=True):
        title, text = cell.title, cell.text
        if (error := trial.metrics.get(f"{name}_error")) is not None:
            title += f" ± {error:.2g} (standard error)"
        if trial.metrics.get(f"{name}_loose"):
            text += " (loose)"
        cells.append(replace(cell, text=text, title=title))
    return cells


def _swept_columns(view: StudyView, trials: list[TrialView]) -> dict[str, list[Cell]]:
    """The number of each trial and its values of the swept keys that differ between trials."""
    columns = {"trial": [Cell(str(trial.number), trial.number) for trial in trials]}
    same = _same_values(view)
    for key in view.axes:
        if key not in same:
            name = short_name(key) if [*map(short_name, view.axes)].count(short_name(key)) == 1 else key
            columns[name] = _value_cells(view, key, [trial.params.get(key) for trial in trials])
    return columns


def _value_cells(view: StudyView, key: str, values: list[Value | None]) -> list[Cell]:
    """Values of a swept key: those of an interval with one number of digits, those of a list as they were given."""
    is_float = any(isinstance(value, float) for value in values)
    numbers = [
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None for value in values
    ]
    if view.axes[key] is None and is_float and key not in view.log_keys:
        return number_cells(numbers)
    form = f".{LOG_DECIMALS}e" if view.axes[key] is None and is_float else ".5g"
    return [
        Cell("–" if value is None else value_text(value))
        if number is None
        else Cell(f"{number:{form}}", number, repr(value))
        for value, number in zip(values, numbers, strict=True)
    ]


def _result_columns(view: StudyView, trials: list[TrialView]) -> dict[str, list[Cell]]:
    """Objectives, metrics, verdict, state, seconds and MLflow run of each trial, by column; none that says nothing."""
    columns = {}
    for index, name in enumerate(view.objective_names):
        cells = number_cells([trial.values[index] if trial.values else None for trial in trials])
        columns[name] = [
            replace(cell, text=f"{cell.text} ± {trial.errors[index]:.2g}") if trial.errors else cell
            for cell, trial in zip(cells, trials, strict=True)
        ]
    for name in map(str, view.config.get("table", [])):
        if any(name in trial.metrics for trial in trials):
            columns.setdefault(name, metric_cells(trials, name))
    if len(view.directions) > 1:
        front = {trial.number for trial in pareto_front(view)}
        columns[FRONT] = [Cell("front" if trial.number in front else "") for trial in trials]
    if any(trial.constraints for trial in view.trials):
        columns["constraints"] = [Cell(trial.feasibility or "–", title=_exceeded(trial)) for trial in trials]
    verdicts = [verdict(trial) for trial in trials]  # each a file
    if any(verdicts):
        columns["verdict"] = [Cell(name or "–") for name in verdicts]
    if any(trial.state != "complete" for trial in trials):
        columns["state"] = [Cell(trial.state) for trial in trials]
    if any(trial.by_user for trial in trials):
        columns["by a user"] = [Cell(trial.by_user) for trial in trials]
    if any(trial.pause or trial.promotion for trial in trials):
        columns["rung"] = [_rung_cell(trial) for trial in trials]
    columns["seconds"] = [Cell(f"{trial.seconds:.1f}", trial.seconds) for trial in trials]
    if any(trial.run_id for trial in trials):
        columns["run"] = [_run_cell(view, trial.run_id or "") for trial in trials]
    return columns


def _rung_cell(trial: TrialView) -> Cell:
    """Where a pausing pruner has stopped the trial, or the last rung that it has passed."""
    if trial.pause is not None:
        promotion = f"promoted at step {trial.promotion}" if trial.promotion else ""
        return Cell(f"paused at {trial.pause}", trial.pause, promotion)
    return Cell(f"passed {trial.promotion}", trial.promotion) if trial.promotion else Cell("–")


def _exceeded(trial: TrialView) -> str:
    """The constraints that the trial does not keep, and by how much."""
    return "; ".join(
        f"{name}: beyond by {value:.3g}" if math.isfinite(value) else f"{name}: not reported"
        for name, value in trial.constraints.items()
        if value > 0
    )


def _run_cell(view: StudyView, run_id: str) -> Cell:
    """The beginning of the MLflow run's id, with a link to its page where the store is known."""
    store = view.config.get("tracking", {}).get("uri")
    link = run_page(str(store), run_id) if store and run_id else ""
    return Cell(run_id[:RUN_ID_LENGTH], title=run_id, link=link)


def _same_values(view: StudyView) -> dict[str, Value | None]:
    """The swept keys that have one value in all trials; none of a single trial, where nothing can differ."""
    if len(view.trials) < 2:
        return {}
    values = {key: {value_text(trial.params.get(key)) for trial in view.trials} for key in view.axes}
    return {key: view.trials[0].params.get(key) for key, texts in values.items() if len(texts) == 1}


def _caption(view: StudyView) -> str:
    parts = [count(len(view.trials), "trial")]
    if same := _same_values(view):
        parts.append(
            "the same in all: " + ", ".join(f"{short_name(key)} = {value_text(value)}" for key, value in same.items())
        )
    if view.config.get("tracking", {}).get("uri"):
        parts.append("the links of the runs work while python -m hwsweep.ui runs")
    return "; ".join(parts)


def _failed(trial: TrialView, leading: list[Cell]) -> Failed:
    failure = {"reason": "error", "message": "", **(trial.failure or {})}
    return Failed(leading, failure["reason"], failure["message"], command_line(trial.command))
