"""What MLflow's web page shows of a study when it opens: swept values and results in the table, curves on top."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hwsweep.tracking import limits
from hwsweep.tracking.runs import Store

KEY = "study"
TAG = f"mlflow.sharedViewState.{KEY}"
"""Where MLflow 3 looks for a view that is opened with `?viewStateShareKey=study`."""

SECTIONS = ("valid", "train", "test", "predicted", "data", "time")
"""Groups of metrics, by the word before the slash, in the order of the page; MLflow's own order is alphabetical."""


def save(store: Store, study: str, axes: Iterable[str], table: Iterable[str], objective: str) -> None:
    """Store the view with the study's experiment, which is created if it does not exist."""
    columns = [
        *(f"params.`{axis}`" for axis in limits.keys(axes).values()),
        *(f"metrics.`{metric}`" for metric in limits.keys(table).values()),
        "tags.`hwsweep.verdict`",
    ]
    client, experiment = store.client(), store.experiment(study)
    client.set_experiment_tag(experiment, TAG, json.dumps(_state(columns, limits.keys([objective])[objective])))
    # without it MLflow takes the experiment for one of prompts and traces, and opens an empty page
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")


def _state(columns: Sequence[str], objective: str) -> dict[str, object]:
    """The state of MLflow's page; it adds a chart for each other metric itself."""
    chart = {
        **{"uuid": objective, "type": "LINE", "metricSectionId": objective.partition("/")[0]},
        **{"metricKey": objective, "displayName": objective, "deleted": False, "isGenerated": True},
        **{"runsCountToCompare": 10, "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear"},
        **{"range": {}, "xAxisKey": "step", "selectedXAxisMetricKey": "", "yAxisKey": "metric"},
        **{"yAxisExpressions": [], "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True},
    }
    return {
        "searchFilter": "tags.`hwsweep.role` = 'trial'",
        "selectedColumns": list(columns),
        "autoRefreshEnabled": True,
        "isAccordionReordered": True,
        "compareRunSections": [
            {"uuid": name, "name": name, "display": name in ("valid", "train"), "isReordered": False}
            for name in SECTIONS
        ],
        "compareRunCharts": [chart],
    }
