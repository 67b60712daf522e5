"""How MLflow's web page shows a study at first: the swept values and results in the table, the curves on top."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hwsweep.tracking.runs import Store

KEY = "study"
TAG = f"mlflow.sharedViewState.{KEY}"
"""Where MLflow 3 looks for a view that is opened with `?viewStateShareKey=study`."""

SECTIONS = ("valid", "train", "test", "predicted", "data", "time")
"""Groups of metrics, by what stands before the slash; MLflow would put them in alphabetical order."""


def keep(store: Store, study: str, axes: Iterable[str], table: Iterable[str], objective: str) -> None:
    """Keep the view with the study's experiment, which is made if it is not there."""
    columns = [
        *(f"params.`{axis}`" for axis in axes),
        *(f"metrics.`{metric}`" for metric in table),
        "tags.`hwsweep.verdict`",
    ]
    client, experiment = store.client(), store.experiment(study)
    client.set_experiment_tag(experiment, TAG, json.dumps(_state(columns, objective)))
    # else MLflow takes it for one of prompts and traces, and opens with an empty page
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")


def _state(columns: Sequence[str], objective: str) -> dict[str, object]:
    """What MLflow's page calls its state; it adds a chart for each metric that has none."""
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
