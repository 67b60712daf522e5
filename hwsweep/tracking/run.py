"""An open MLflow run: what is logged to it while it trains, and how it says what came of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hwsweep.files import masked, without_passwords
from hwsweep.tracking import limits
from hwsweep.tracking.provenance import installed_version

DESCRIPTION = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run."""


class Run:
    """An open MLflow run."""

    def __init__(self, client: MlflowClient, run_id: str, name: str, description: str) -> None:
        self.id = run_id
        self.pruned = self.paused = False
        self._name = name
        self._description = description
        self._client = client

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log all values of one epoch in a single call: MLflow's cost is per call."""
        now, keys = int(time.time() * 1000), limits.keys(values)
        self._client.log_batch(self.id, [Metric(keys[name], value, now, step) for name, value in values.items()])

    def log_epochs(self, epochs: Mapping[int, Mapping[str, float]]) -> None:
        """Log all values of several epochs, by their numbers, in a single call."""
        now = int(time.time() * 1000)
        numbers = [
            Metric(limits.keys(values)[name], value, now, step)
            for step, values in epochs.items()
            for name, value in values.items()
        ]
        self._log(numbers)

    def log_series(self, values: Mapping[str, Sequence[float]]) -> None:
        """Log each series with the steps 1, 2, ... in a single call; what is not finite is left out."""
        now, keys = int(time.time() * 1000), limits.keys(values)
        numbers = [
            Metric(keys[name], value, now, step)
            for name, series in values.items()
            for step, value in enumerate(series, start=1)
            if math.isfinite(value)
        ]
        self._log(numbers)

    def _log(self, numbers: list[Metric]) -> None:
        for first in range(0, len(numbers), limits.METRICS):
            self._client.log_batch(self.id, numbers[first : first + limits.METRICS])

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

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set all tags in a single call."""
        values = {key: value[: limits.TAG] for key, value in masked(tags).items()}
        self._client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def set_result(self, result: str, word: str, tags: Mapping[str, str]) -> None:
        """Set the tags, put the result before the description, and add a word for it to the run's name.

        The list beside MLflow's charts shows nothing of a run but its name.
        """
        name = f"{self._name}: {word}" if word else self._name
        note = f"{result}\n\n{self._description}"
        self.set_tags({**tags, "mlflow.runName": name, DESCRIPTION: note})

    def mark_pruned(self, reason: str) -> None:
        """Tag the run as pruned: the exception that ends it is no failure."""
        self.pruned = True
        self.set_result(f"pruned: {reason}", "pruned", {"hwsweep.state": "pruned", "hwsweep.pruned": reason})

    def mark_paused(self, reason: str) -> None:
        """Tag the run as paused: its trial waits to be promoted."""
        self.paused = True
        self.set_result(f"paused: {reason}", "paused", {"hwsweep.state": "paused", "hwsweep.paused": reason})

    def mark_failed(self, message: str) -> None:
        """Tag the run with the message of its error."""
        self.set_result(f"failed: {message}", "failed", {"hwsweep.failure": message})

    def log_model(
        self, files: Mapping[str, Path], example: Any, prediction: Any, params: Mapping[str, float | str] | None = None
    ) -> None:
        """Log the trained model in MLflow's format, so that `mlflow.pyfunc.load_model` works anywhere.

        Args:
            files: the files that served_model.py rebuilds it from, by the name of the artifact.
            example: NumPy batch or list of texts that the model takes, of any length.
            prediction: the model's output for `example`.
            params: what `predict` takes beside a batch, with its default; None: nothing.
        """
        import mlflow
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self._client.tracking_uri)
        # leaving the block sets the run to FINISHED for a moment; `open_run` has the last word
        with mlflow.start_run(run_id=self.id, log_system_metrics=False):
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("logged_model.py")),
                artifacts={name: path.absolute().as_uri() for name, path in files.items()},
                signature=infer_signature(example, prediction, None if params is None else dict(params)),
                input_example=example,
                pip_requirements=[f"{name}=={installed_version(name)}" for name in ("hwsweep", "torch", "mlflow")],
            )
