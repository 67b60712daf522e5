"""What MLflow keeps, read back: stores that exist, the newest study, a run with all its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hwsweep.tracking import runs
from hwsweep.tracking.database import SQLITE


class NotLogged(Exception):
    """What is asked for is not in the store; the message says what to do."""


class Logged(NamedTuple):
    """A run as MLflow keeps it."""

    id: str
    name: str
    status: str
    """FINISHED, FAILED, KILLED or RUNNING."""
    tags: dict[str, str]
    metrics: dict[tuple[int, str], float]
    """By step (an epoch; what is measured after training has the last one) and key, in this order."""
    data: str
    """Name and digest of the data set; empty if the run ended before it was read."""


def existing_store(uri: str, artifacts: str) -> runs.Store:
    """The store at `uri`, as `runs.open_store` gives it, but never a new one.

    Raises:
        NotLogged: there is none.
    """
    path = Path(uri.removeprefix(SQLITE)).absolute()
    if uri.startswith(SQLITE) and not path.exists():
        raise NotLogged(
            f"there is no MLflow store yet: no file {path}; "
            f"train something first (python -m hwsweep), go to the folder where you did, or name a store with --uri"
        )
    return runs.open_store(uri, artifacts)


def newest_study(store: runs.Store) -> Experiment | None:
    """The experiment whose trial started last; None where no study was run."""
    client = store.client()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    trials = "tags.`hwsweep.role` = 'trial'"
    newest = client.search_runs(experiments, trials, max_results=1, order_by=["attributes.start_time DESC"])
    return client.get_experiment(newest[0].info.experiment_id) if newest else None


def read(store: runs.Store, run_id: str) -> Logged:
    """The run with every number that was ever logged.

    Raises:
        NotLogged: there is no such run.
    """
    client = store.client()
    try:
        found = client.get_run(run_id)
    except MlflowException:
        raise NotLogged(f"there is no run {run_id!r} in {store.uri}; another store is named with --uri") from None
    inputs = found.inputs.dataset_inputs if found.inputs else []
    return Logged(
        id=found.info.run_id,
        name=found.info.run_name,
        status=found.info.status,
        tags=dict(found.data.tags),
        metrics=_metrics(client, run_id, found.data.metrics),
        data=", ".join(f"{kept.dataset.name} {kept.dataset.digest}" for kept in inputs),
    )


def file(store: runs.Store, run_id: str, name: str, folder: Path) -> Path:
    """A file that the run kept, copied into `folder`.

    Raises:
        NotLogged: the run has no such file.
    """
    try:
        return Path(store.client().download_artifacts(run_id, name, str(folder)))
    except (MlflowException, OSError) as error:
        raise NotLogged(f"run {run_id} keeps no {name}: {error}") from error


def _metrics(client: MlflowClient, run_id: str, keys: Iterable[str]) -> dict[tuple[int, str], float]:
    histories = {key: client.get_metric_history(run_id, key) for key in keys}
    found = {(metric.step, key): metric.value for key, history in histories.items() for metric in history}
    return dict(sorted(found.items()))
