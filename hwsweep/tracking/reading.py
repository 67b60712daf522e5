"""MLflow's store read back: the newest study, a run with all its numbers, its files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from hwsweep.files import without_passwords
from hwsweep.tracking import runs
from hwsweep.tracking.database import artifacts_uri, errors_as_unusable_store, is_server, sqlite_file


class NotInStore(Exception):
    """A store, run or file does not exist; the message says what to do."""


class LoggedRun(NamedTuple):
    """A run as MLflow stores it."""

    id: str
    name: str
    status: str
    """FINISHED, FAILED, KILLED or RUNNING."""
    tags: dict[str, str]
    metrics: dict[tuple[int, str], float]
    """By step (the epoch; metrics of the trained model have the last one) and key, in this order; without params."""
    data: str
    """Name and digest of the data set; empty if the run ended before the data was read."""


def open_existing_store(uri: str, artifacts: str) -> runs.Store:
    """The store at `uri`, like `runs.open_store`, but never a new one.

    Raises:
        NotInStore: there is none.
        UnusableStore: it does not answer.
    """
    with errors_as_unusable_store(uri):
        path = None if is_server(uri) else sqlite_file(uri)
    if path is not None and not path.exists():
        raise NotInStore(
            f"there is no MLflow store yet: no file {path}; "
            f"train something first (python -m hwsweep), go to the folder where you did, or name a store with --uri"
        )
    return runs.connect(uri, artifacts_uri(artifacts))


def newest_study(store: runs.Store) -> Experiment | None:
    """The experiment whose trial started last; None where no study was run."""
    client = store.client()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    trials = "tags.`hwsweep.role` = 'trial'"
    newest = client.search_runs(experiments, trials, max_results=1, order_by=["attributes.start_time DESC"])
    return client.get_experiment(newest[0].info.experiment_id) if newest else None


def read_run(store: runs.Store, run_id: str) -> LoggedRun:
    """The run with every number that it logged.

    Raises:
        NotInStore: there is no such run.
    """
    client, run = store.client(), _find_run(store, run_id)
    measured = run.data.metrics.keys() - run.data.params.keys()
    histories = {key: client.get_metric_history(run_id, key) for key in measured}
    metrics = {(metric.step, key): metric.value for key, history in histories.items() for metric in history}
    datasets = [item.dataset for item in run.inputs.dataset_inputs] if run.inputs else []
    return LoggedRun(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        tags=dict(run.data.tags),
        metrics=dict(sorted(metrics.items())),
        data=", ".join(f"{dataset.name} {dataset.digest}" for dataset in datasets),
    )


def run_status(store: runs.Store, run_id: str) -> str:
    """FINISHED, FAILED, KILLED, SCHEDULED or RUNNING.

    Raises:
        NotInStore: there is no such run.
    """
    return str(_find_run(store, run_id).info.status)


def _find_run(store: runs.Store, run_id: str) -> Run:
    try:
        return store.client().get_run(run_id)
    except MlflowException:
        where = without_passwords(store.uri)
        raise NotInStore(f"there is no run {run_id!r} in {where}; another store is named with --uri") from None


def download(store: runs.Store, run_id: str, name: str, folder: Path) -> Path:
    """An artifact of the run, copied into `folder`.

    Raises:
        NotInStore: the run has no such artifact.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(store.client().download_artifacts(run_id, name, str(folder)))
    except (MlflowException, OSError) as error:
        raise NotInStore(f"run {run_id} has no artifact {name}: {error}") from error
