"""Trials on a Ray cluster: hydra/launcher=hwsweep_ray."""

from __future__ import annotations

import os
import socket
from fnmatch import fnmatch
from typing import Any, NamedTuple

from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.execution.cluster_executor import lost, refused
from hwsweep.sweep.execution.cluster_node import Finished, Work, host
from hwsweep.sweep.execution.executor import Job


class RaySettings(NamedTuple):
    """conf/hydra/launcher/hwsweep_ray.yaml explains each."""

    address: str | None
    cpus_per_trial: int
    environment: list[str]


class RayCluster:
    """A cluster of Ray's."""

    def __init__(self, settings: RaySettings, gpus_per_trial: float | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        try:
            _knock(settings.address)
            ray.init(settings.address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        except (OSError, ValueError, RuntimeError) as error:
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SweepError(f"no Ray cluster at hydra.launcher.address={settings.address}: {told}") from error
        needed = {"CPU": settings.cpus_per_trial, "GPU": gpus_per_trial or 0}
        if not any(all(node["Resources"].get(kind, 0) >= n for kind, n in needed.items()) for node in ray.nodes()):
            print(f"no node of the Ray cluster has {needed} for a trial; they wait until one has", flush=True)
        self.cpus_per_trial = settings.cpus_per_trial
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if any(fnmatch(name, pattern) for pattern in settings.environment)
        }
        # a lost trial is started again by the sweep, which counts
        options = {"num_cpus": needed["CPU"], "num_gpus": needed["GPU"], "max_retries": 0}
        self.host = ray.remote(**options)(host)

    def find(self, job: Job) -> RayTask | None:
        """None: Ray ends what a driver has started when the driver ends."""
        return None

    def place(self, work: Work) -> RayTask:
        """Put the work in Ray's queue."""
        return RayTask(work.job, self.host.remote(work))

    def close(self) -> None:
        """Leave the cluster; one that began with the sweep ends."""
        import ray

        ray.shutdown()


class RayTask:
    """A run in Ray's hands."""

    def __init__(self, job: Job, reference: Any) -> None:
        self.job = job
        self.reference = reference

    def finished(self) -> Finished | None:
        """How it ended; a node or a worker that died has lost it."""
        import ray
        from ray.exceptions import NodeDiedError, RayError, TaskCancelledError, WorkerCrashedError

        if not ray.wait([self.reference], timeout=0)[0]:
            return None
        try:
            finished: Finished = ray.get(self.reference)
            return finished
        except (NodeDiedError, WorkerCrashedError, TaskCancelledError):
            return lost(self.job)
        except RayError as error:
            return refused(self.job, outcome.of_error(error, 0.0))

    def cancel(self) -> None:
        """Ask it to end."""
        import ray

        ray.cancel(self.reference)


def _knock(address: str | None) -> None:
    """Raise OSError unless something listens at host:port; Ray itself would go on trying for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
