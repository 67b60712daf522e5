"""What MLflow's web page shows of a study when it opens: the order of the trials, the table's columns, the charts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from hwsweep.tracking import limits
from hwsweep.tracking.runs import Store

KEY = "study"
TAG = f"mlflow.sharedViewState.{KEY}"
"""Where MLflow 3 looks for a view that is opened with `?viewStateShareKey=study`."""

SECTIONS = ("valid", "train", "test", "predicted", "data", "time")
"""Groups of metrics, by the word before the slash, in the order of the page; MLflow's own order is alphabetical."""

WIDTHS = {"params": 70, "metrics": 90, "tags": 120}
"""Pixels of a column. Beside MLflow's Assistant, which is open at first, a window of 1440 pixels shows 400 of them."""

FIXED = ("attributes.`Run Name`", "runDateAndNestInfo")
"""MLflow's own names of the columns that do not scroll."""


def save(
    store: Store, study: str, axes: Mapping[str, Sequence[object] | None], table: Iterable[str], objective: str
) -> None:
    """Store the view with the study's experiment, which is created if it does not exist.

    Args:
        axes: the swept keys with their values; None for an interval. The first one that has numbers orders the trials.
    """
    keys = limits.keys([*axes, *table, objective])
    swept = {
        key: f"metrics.`{keys[key]}`" if _has_numbers(values) else f"params.`{keys[key]}`"
        for key, values in axes.items()
    }
    columns = [*swept.values(), "tags.`hwsweep.verdict`", *(f"metrics.`{keys[metric]}`" for metric in table)]
    numbers = [column for column in swept.values() if column.startswith("metrics.")]
    state = _table(columns) | _charts(keys[objective])
    if numbers:
        state |= {"orderByKey": numbers[0], "orderByAsc": True}
    client, experiment = store.client(), store.experiment(study)
    client.set_experiment_tag(experiment, TAG, json.dumps(state))
    # without it MLflow takes the experiment for one of prompts and traces, and opens an empty page
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")


def _has_numbers(values: Sequence[object] | None) -> bool:
    return values is None or all(type(value) in (int, float) for value in values)


def _table(columns: Sequence[str]) -> dict[str, object]:
    """The runs that are shown, and their columns: swept values and verdict first, whatever their kind."""
    return {
        "searchFilter": "tags.`hwsweep.role` = 'trial'",
        "selectedColumns": list(columns),
        "columnOrder": [*FIXED, *columns],
        "columnWidths": {column: WIDTHS[column.partition(".")[0]] for column in columns},
    }


def _charts(objective: str) -> dict[str, object]:
    """The chart of the objective and the order of the groups; MLflow adds a chart for each other metric itself."""
    chart = {
        **{"uuid": objective, "type": "LINE", "metricSectionId": objective.partition("/")[0]},
        **{"metricKey": objective, "displayName": objective, "deleted": False, "isGenerated": True},
        **{"runsCountToCompare": 10, "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear"},
        **{"range": {}, "xAxisKey": "step", "selectedXAxisMetricKey": "", "yAxisKey": "metric"},
        **{"yAxisExpressions": [], "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True},
    }
    return {
        "autoRefreshEnabled": True,
        "isAccordionReordered": True,
        "compareRunSections": [
            {"uuid": name, "name": name, "display": name in ("valid", "train"), "isReordered": False}
            for name in SECTIONS
        ],
        "compareRunCharts": [chart],
    }
