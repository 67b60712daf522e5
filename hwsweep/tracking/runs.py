"""MLflow's store and its runs, as hwsweep writes them; reading.py reads them."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from mlflow import entities
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hwsweep.files import masked, without_passwords
from hwsweep.processes import is_gone, this_process
from hwsweep.signals import sigterm_as_exit
from hwsweep.tracking import limits
from hwsweep.tracking.database import (
    artifacts_uri,
    ensure_artifacts,
    ensure_database,
    errors_as_unusable_store,
    is_server,
    short_timeout,
)
from hwsweep.tracking.provenance import environment, installed_version

log = logging.getLogger("hwsweep")
for noisy in ("mlflow", "alembic"):
    logging.getLogger(noisy).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Store:
    """An MLflow store that exists and is up to date."""

    uri: str
    artifacts: str | None
    """Folder (as a URI) for the artifacts of new experiments; None where a server decides."""

    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def experiment(self, name: str) -> str:
        """Id of the experiment called `name`, created when missing, also by several processes at once."""
        client = self.client()
        found = client.get_experiment_by_name(name)
        if found is None:
            location = None if self.artifacts is None else f"{self.artifacts}/{limits.folder_name(name)}"
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == LifecycleStage.DELETED:  # in MLflow's page; it takes no runs then
            client.restore_experiment(found.experiment_id)
            log.info("MLflow's experiment %s was deleted; it is restored, with its earlier runs", name)
        return str(found.experiment_id)


def open_store(uri: str, artifacts: str) -> Store:
    """The store at `uri`, which has answered; one in a database is created and migrated here, by one process at a time.

    Raises:
        UnusableStore: there is none and none can be made, or it does not answer; in seconds.
    """
    folder = artifacts_uri(artifacts)
    if isinstance(uri, str) and not is_server(uri):
        ensure_artifacts(folder)
    return connect(uri, folder)


def connect(uri: str, artifacts: str) -> Store:
    """The store at `uri`, like `open_store`; `artifacts` is not checked."""
    with errors_as_unusable_store(uri):
        store = Store(uri, None) if is_server(uri) else Store(ensure_database(uri, artifacts), artifacts)
        with short_timeout():
            store.client().search_experiments(max_results=1)
    return store


class Run:
    """An open MLflow run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self.pruned = False
        self._client = store.client()
        self._uri = store.uri

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log all values of one epoch in a single call: MLflow's cost is per call."""
        now, keys = int(time.time() * 1000), limits.keys(values)
        self._client.log_batch(self.id, [Metric(keys[name], value, now, step) for name, value in values.items()])

    def last_step(self, name: str) -> int:
        """The largest step at which this metric was logged, 0 if never."""
        (key,) = limits.keys([name]).values()
        return max((metric.step for metric in self._client.get_metric_history(self.id, key)), default=0)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file to the run's artifacts."""
        self._client.log_artifact(self.id, str(path), folder)

    def log_dataset(self, name: str, source: str, digest: str, n_examples: Mapping[str, int]) -> None:
        """Log the data as a data set input of the run, with its digest and the sizes of its splits."""
        data = Dataset(
            name=name,
            digest=digest[: limits.DIGEST],
            source_type="hwsweep",
            source=json.dumps({"source": without_passwords(source)}),
            profile=json.dumps(dict(n_examples)),
        )
        inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        try:
            self._client.log_inputs(self.id, inputs)
        except MlflowException:  # another trial has just added the same data set; now it exists
            self._client.log_inputs(self.id, inputs)

    def set_tag(self, key: str, value: str) -> None:
        self._client.set_tag(self.id, key, without_passwords(value))

    def mark_pruned(self, reason: str) -> None:
        """Tag the run as pruned: the exception that ends it is no failure."""
        self.pruned = True
        self.set_tag("hwsweep.state", "pruned")
        self.set_tag("hwsweep.pruned", reason)

    def log_model(self, files: Mapping[str, Path], example: Any, prediction: Any) -> None:
        """Log the trained model in MLflow's format, so that `mlflow.pyfunc.load_model` works anywhere.

        Args:
            files: the files that served_model.py rebuilds it from, by the name of the artifact.
            example: NumPy batch or list of texts that the model takes, of any length.
            prediction: the model's output for `example`.
        """
        import mlflow
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self._uri)
        # leaving the block sets the run to FINISHED for a moment; `open_run` has the last word
        with mlflow.start_run(run_id=self.id, log_system_metrics=False):
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("served_model.py")),
                artifacts={name: path.absolute().as_uri() for name, path in files.items()},
                signature=infer_signature(example, prediction),
                input_example=example,
                pip_requirements=[f"{name}=={installed_version(name)}" for name in ("hwsweep", "torch", "mlflow")],
            )


@contextmanager
def open_run(
    store: Store,
    experiment: str,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    run_id: str | None = None,
) -> Iterator[Run]:
    """A run that ends FINISHED, FAILED (an exception) or KILLED (Ctrl-C, SIGTERM, exit, pruned), never RUNNING.

    Args:
        run_id: an earlier run to go on with; its params stay as they are.
    """
    client, experiment_id = store.client(), store.experiment(experiment)
    own_tags: dict[str, str] = masked({**tags, "hwsweep.process": this_process()})
    if run_id is not None and not _is_active(client, run_id):
        log.warning("MLflow's run %s of this trial is gone; a new one gets all its epochs", run_id)
        run_id = None
    new_params: list[Param] = []
    if run_id is None:
        keys = limits.keys(params)
        new_params = [Param(keys[name], limits.param_value(value)) for name, value in masked(params).items()]
        run_id = _run_to_adopt(client, experiment_id, own_tags)
    if run_id is None:
        # created with its tags: the next start finds it whenever this process is killed
        run_id = str(client.create_run(experiment_id, run_name=without_passwords(name), tags=own_tags).info.run_id)
    else:
        client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    all_tags = {**own_tags, **masked(environment())}
    client.log_batch(run_id, params=new_params, tags=[RunTag(key, value) for key, value in all_tags.items()])
    run, status = Run(store, run_id), "KILLED"
    try:
        with sigterm_as_exit():
            yield run
        status = "FINISHED"
    except Exception as error:
        if not run.pruned:
            status = "FAILED"
            run.set_tag("hwsweep.failure", f"{type(error).__name__}: {error}"[: limits.TAG])
        raise
    finally:
        client.set_terminated(run_id, status)


def _is_active(client: MlflowClient, run_id: str) -> bool:
    """Whether the store has the run, and nobody has deleted it."""
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _run_to_adopt(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> str | None:
    """The run of the trial with these tags whose process was killed before it stored the run's id, if there is one."""
    if "hwsweep.trial" not in tags:
        return None
    of_trial = f"attributes.status != 'FINISHED' and tags.`hwsweep.trial` = '{tags['hwsweep.trial']}'"
    for run in client.search_runs([experiment_id], of_trial):
        is_same = run.data.tags.get("hwsweep.folder") == tags["hwsweep.folder"]
        if is_same and not run.data.metrics and is_gone(run.data.tags.get("hwsweep.process", "")):
            return str(run.info.run_id)
    return None


def end_orphaned_runs(store: Store) -> int:
    """Set runs to KILLED whose process on this machine is gone, and return how many there were."""
    experiments = [experiment.experiment_id for experiment in store.client().search_experiments()]
    running = store.client().search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000)
    orphans = [run for run in running if is_gone(run.data.tags.get("hwsweep.process", ""))]
    _set_killed(store, orphans)
    return len(orphans)


def end_running_trials(store: Store, study: str) -> None:
    """Set the trials of a finished study to KILLED that still have the state RUNNING: their machine died."""
    running = "attributes.status = 'RUNNING' and tags.`hwsweep.role` = 'trial'"
    _set_killed(store, store.client().search_runs([store.experiment(study)], running, max_results=1000))


def _set_killed(store: Store, found: Sequence[entities.Run]) -> None:
    for run in found:
        store.client().set_terminated(run.info.run_id, "KILLED")
