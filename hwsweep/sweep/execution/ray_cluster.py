"""Trials on a Ray cluster: hydra/launcher=hwsweep_ray."""

from __future__ import annotations

import fnmatch
import os
import socket
from typing import Any, NamedTuple

import ray
from ray.exceptions import NodeDiedError, RayError, TaskCancelledError, WorkerCrashedError

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.cluster_node import NODE_LOST, NodeRequest, NodeResult, run_on_node
from hwsweep.sweep.execution.executor import Job
from hwsweep.sweep.outcome import from_error


class RaySettings(NamedTuple):
    """The settings of hydra/launcher=hwsweep_ray; its YAML file explains each."""

    address: str | None
    cpus_per_trial: int
    environment: list[str]


class RayCluster:
    """Ray: the cluster at this address, or one of this machine that ends with the sweep."""

    def __init__(self, settings: RaySettings, gpus_per_trial: float | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            _check_address(settings.address)
            ray.init(settings.address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SweepError(f"no Ray cluster at hydra.launcher.address={settings.address}: {reason}") from error
        needed = {"CPU": settings.cpus_per_trial, "GPU": gpus_per_trial or 0}
        if not any(all(node["Resources"].get(kind, 0) >= n for kind, n in needed.items()) for node in ray.nodes()):
            print(f"no node of the Ray cluster has {needed} for a trial; they wait until one has", flush=True)
        self.cpus_per_trial = settings.cpus_per_trial
        self.environment = {
            name: os.environ[name] for pattern in settings.environment for name in fnmatch.filter(os.environ, pattern)
        }
        # max_retries=0: the sweep itself starts a lost trial again, and counts how often
        self.task = ray.remote(num_cpus=needed["CPU"], num_gpus=needed["GPU"], max_retries=0)(run_on_node)

    def reattach(self, job: Job) -> None:
        return None  # Ray ends the tasks of a driver with the driver

    def submit(self, request: NodeRequest) -> Any:
        return self.task.remote(request)

    def poll(self, handle: Any) -> NodeResult | None:
        if not ray.wait([handle], timeout=0)[0]:
            return None
        try:
            result: NodeResult = ray.get(handle)
            return result
        except (NodeDiedError, WorkerCrashedError, TaskCancelledError):
            return NODE_LOST
        except RayError as error:
            return NodeResult(1, None, from_error(error, 0.0))

    def cancel(self, handle: Any) -> None:
        ray.cancel(handle)

    def close(self) -> None:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Raise OSError unless something listens at this host:port; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
