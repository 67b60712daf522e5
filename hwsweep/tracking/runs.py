"""MLflow's store and its runs, as hwsweep writes them; reading.py reads them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from mlflow import entities
from mlflow.entities import LifecycleStage, Metric, Param, RunStatus, RunTag
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
from hwsweep.tracking.provenance import environment, source
from hwsweep.tracking.run import DESCRIPTION, Run

log = logging.getLogger("hwsweep")
for noisy in ("mlflow", "alembic"):
    logging.getLogger(noisy).setLevel(logging.WARNING)
logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # it raises each error that it also logs


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


@contextmanager
def open_run(
    store: Store,
    experiment: str,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    run_id: str | None = None,
    numbers: Mapping[str, float] = MappingProxyType({}),
) -> Iterator[Run]:
    """A run that ends FINISHED, FAILED (an exception), SCHEDULED (paused) or KILLED (Ctrl-C, SIGTERM, exit, pruned).

    Args:
        run_id: an earlier run to go on with; its params stay as they are.
        numbers: params that are metrics, too: MLflow sorts params as texts, so that 100 comes before 2.
    """
    client, experiment_id = store.client(), store.experiment(experiment)
    own_tags: dict[str, str] = masked({**source(), **tags, "hwsweep.process": this_process()})
    earlier = None if run_id is None else _active_run(client, run_id)
    if earlier is not None and earlier.data.tags.get("hwsweep.state") == "paused":
        reason = earlier.data.tags.get("hwsweep.paused", "")
        own_tags |= {"hwsweep.state": "promoted", "hwsweep.promoted": reason, "mlflow.runName": without_passwords(name)}
    if run_id is not None and earlier is None:
        log.warning("MLflow's run %s of this trial is gone; a new one gets all its epochs", run_id)
        run_id = None
    is_new = run_id is None
    run_id = run_id or _run_to_adopt(client, experiment_id, own_tags)
    if run_id is None:
        # created with its tags: the next start finds it whenever this process is killed
        run_id = str(client.create_run(experiment_id, run_name=without_passwords(name), tags=own_tags).info.run_id)
    else:
        client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    _log_start(client, run_id, params if is_new else {}, numbers, {**own_tags, **masked(environment())})
    run, status = Run(client, run_id, name, tags.get(DESCRIPTION, "")), "KILLED"
    try:
        with sigterm_as_exit():
            yield run
        status = "FINISHED"
    except Exception as error:
        if run.paused:
            status = "SCHEDULED"
        elif not run.pruned:
            status = "FAILED"
            run.mark_failed(f"{type(error).__name__}: {error}")
        raise
    finally:
        client.set_terminated(run_id, status)


def _log_start(
    client: MlflowClient, run_id: str, params: Mapping[str, str], numbers: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Log all that is known when a run starts, in a single call; numbers whose params are not logged are left out."""
    keys, now = limits.keys(params), int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(keys[name], value, now, 0) for name, value in numbers.items() if name in keys],
        params=[Param(keys[name], limits.param_value(value)) for name, value in masked(params).items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )


def _active_run(client: MlflowClient, run_id: str) -> entities.Run | None:
    """The run; None if the store does not have it, or somebody has deleted it."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None


def _run_to_adopt(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> str | None:
    """The run of the trial with these tags whose process was killed before it stored the run's id, if there is one."""
    if "hwsweep.trial" not in tags:
        return None
    of_trial = f"attributes.status != 'FINISHED' and tags.`hwsweep.trial` = '{tags['hwsweep.trial']}'"
    for run in client.search_runs([experiment_id], of_trial):
        is_same = run.data.tags.get("hwsweep.folder") == tags["hwsweep.folder"]
        is_new = run.data.metrics.keys() <= run.data.params.keys()
        if is_same and is_new and is_gone(run.data.tags.get("hwsweep.process", "")):
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


def end_paused_trials(store: Store, study: str, numbers: Collection[int]) -> None:
    """Set the paused runs of these trials to KILLED and pruned: they are not promoted any more."""
    paused = "tags.`hwsweep.state` = 'paused' and tags.`hwsweep.role` = 'trial'"
    client = store.client()
    for found in client.search_runs([store.experiment(study)], paused, max_results=10_000):
        tags = found.data.tags
        if int(tags["hwsweep.trial"]) in numbers:
            name, description = str(found.info.run_name).removesuffix(": paused"), tags.get(DESCRIPTION, "")
            run = Run(client, found.info.run_id, name, description.partition("\n\n")[2])
            run.mark_pruned(tags.get("hwsweep.paused", ""))
            client.set_terminated(run.id, "KILLED")


def _set_killed(store: Store, found: Sequence[entities.Run]) -> None:
    for run in found:
        store.client().set_terminated(run.info.run_id, "KILLED")
