"""MLflow, all of it: the store, runs, and what they keep. mlflow_database.py makes the tables."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hwsweep.postgresql import is_postgresql
from hwsweep.processes import is_gone, this_process
from hwsweep.signals import sigterm_as_exit
from hwsweep.tracking.database import SQLITE, ensure_postgresql, ensure_sqlite
from hwsweep.tracking.provenance import environment, installed

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_DIGEST = 36
LONGEST_TAG = 5000

for noisy in ("mlflow", "alembic"):
    logging.getLogger(noisy).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Store:
    """An MLflow store that exists and is up to date."""

    uri: str
    artifacts: str | None
    """Folder (as a URI) for the artifacts of new experiments; None where a server decides."""

    def client(self) -> MlflowClient:
        """A client of this store."""
        return MlflowClient(self.uri)

    def experiment(self, name: str) -> str:
        """Id of the experiment called `name`, created when missing, also by several processes at once."""
        client = self.client()
        if (found := client.get_experiment_by_name(name)) is None:
            location = None if self.artifacts is None else f"{self.artifacts}/{_slug(name)}"
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


def open_store(uri: str, artifacts: str) -> Store:
    """The store at `uri`; one in a database is created and migrated here, by one process at a time.

    Raises:
        ValueError: the database is Optuna's.
    """
    folder = artifacts if "://" in artifacts else Path(artifacts).absolute().as_uri()
    if is_postgresql(uri):
        ensure_postgresql(uri, folder)
        return Store(uri, folder)
    if not uri.startswith(SQLITE):
        return Store(uri, None)
    path = Path(uri.removeprefix(SQLITE)).absolute()
    ensure_sqlite(path, folder)
    return Store(f"{SQLITE}{path}", folder)


class Run:
    """An open MLflow run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self.pruned = False
        self._client = store.client()
        self._uri = store.uri

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log all values of one epoch in a single call: MLflow's cost is per call."""
        now = int(time.time() * 1000)
        self._client.log_batch(self.id, [Metric(key, value, now, step) for key, value in values.items()])

    def last_step(self, key: str) -> int:
        """The largest step at which `key` was logged, 0 if never."""
        return max((metric.step for metric in self._client.get_metric_history(self.id, key)), default=0)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run."""
        self._client.log_artifact(self.id, str(path), folder)

    def dataset(self, name: str, source: str, digest: str, n_examples: Mapping[str, int]) -> None:
        """Note the data as an MLflow data set input, with its digest and the sizes of its splits."""
        data = Dataset(
            name=name,
            digest=digest[:LONGEST_DIGEST],
            source_type="hwsweep",
            source=json.dumps({"source": source}),
            profile=json.dumps(dict(n_examples)),
        )
        inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        try:
            self._client.log_inputs(self.id, inputs)
        except MlflowException:  # two trials of a new study tell the store of the same data: one of them is too late
            self._client.log_inputs(self.id, inputs)

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""
        self._client.set_tag(self.id, key, value)

    def prune(self, why: str) -> None:
        """Note that the study's pruner gave this run up: the exception that ends it is no failure."""
        self.pruned = True
        self.tag("hwsweep.state", "pruned")
        self.tag("hwsweep.pruned", why)

    def model(self, parts: Mapping[str, Path], example: Any, prediction: Any) -> None:
        """Keep the trained model in MLflow's format, so that `mlflow.pyfunc.load_model` works anywhere.

        Args:
            parts: the files that served_model.py rebuilds it from, by what they are.
            example: NumPy batch or list of texts that the model takes; their number is free in the signature.
            prediction: what it gives for `example`.
        """
        import mlflow
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self._uri)
        # leaving the block sets the run to FINISHED for a moment; `open_run` has the last word
        with mlflow.start_run(run_id=self.id, log_system_metrics=False), _requirements_as_given():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("served_model.py")),
                artifacts={name: str(path) for name, path in parts.items()},
                signature=infer_signature(example, prediction),
                input_example=example,
                pip_requirements=[f"{name}=={installed(name)}" for name in ("hwsweep", "torch", "mlflow")],
            )


@contextmanager
def _requirements_as_given() -> Iterator[None]:
    """Let MLflow not list all packages of this machine, for 0.7 s, to see that those which run are installed."""
    from mlflow import pyfunc
    from mlflow.utils import environment as environments

    check = "warn_dependency_requirement_mismatches"  # no public name: where it is gone, MLflow makes its list
    before = {module: getattr(module, check) for module in (pyfunc, environments) if hasattr(module, check)}
    for module in before:
        setattr(module, check, lambda requirements: None)
    try:
        yield
    finally:
        for module, function in before.items():
            setattr(module, check, function)


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
        run_id: an earlier run to go on with; its params stay.
    """
    client = store.client()
    owner = {"hwsweep.process": this_process()}
    kept: list[Param] = []
    if run_id is None:
        # with its owner from the first moment on: `end_orphans` finds it whenever this process is killed
        run_id = client.create_run(store.experiment(experiment), run_name=name, tags=owner).info.run_id
        kept = [Param(_fit_key(key), _fit_param(value)) for key, value in params.items()]
    else:
        client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
    notes = {**tags, **environment(), **owner}
    client.log_batch(run_id, params=kept, tags=[RunTag(key, value) for key, value in notes.items()])
    run, status = Run(store, run_id), "KILLED"
    try:
        with sigterm_as_exit():
            yield run
        status = "FINISHED"
    except Exception as error:
        if not run.pruned:
            status = "FAILED"
            run.tag("hwsweep.failure", f"{type(error).__name__}: {error}"[:LONGEST_TAG])
        raise
    finally:
        client.set_terminated(run_id, status)


def end_orphans(store: Store) -> int:
    """Set runs to KILLED whose process on this machine is gone, and return how many there were."""
    client = store.client()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    orphans = [
        run.info.run_id
        for run in client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000)
        if is_gone(run.data.tags.get("hwsweep.process", ""))
    ]
    for run_id in orphans:
        client.set_terminated(run_id, "KILLED")
    return len(orphans)


def end_left(store: Store, study: str) -> None:
    """Set the trials of a study that is over to KILLED where they seem to run: their machine died."""
    client = store.client()
    running = "attributes.status = 'RUNNING' and tags.`hwsweep.role` = 'trial'"
    for run in client.search_runs([store.experiment(study)], running, max_results=1000):
        client.set_terminated(run.info.run_id, "KILLED")


def _fit_key(key: str) -> str:
    """The key, with a dash for each character that MLflow would refuse: a user's column may be called `a(b)`."""
    return re.sub(r"[^\w\-. :/]", "-", key, flags=re.ASCII)[:LONGEST_KEY]


def _fit_param(value: str) -> str:
    """The value, or its beginning and its hash where MLflow would refuse it for its length."""
    if len(value) <= LONGEST_PARAM:
        return value
    note = f"... sha256 {sha256(value.encode()).hexdigest()}"
    return value[: LONGEST_PARAM - len(note)] + note


def _slug(name: str) -> str:
    """A folder name: what is not a letter, digit, dot, dash or underscore becomes a dash."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
