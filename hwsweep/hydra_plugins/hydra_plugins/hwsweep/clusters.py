"""Hydra's view of Ray and Slurm, which are executors of our sweeper. Imported at every start of every application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class _SweeperOnly(Launcher):
    """Names an executor of our sweeper, which never asks for a launcher; any other sweeper does, and is refused."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Refuse.

        Raises:
            SystemExit: always.
        """
        choice = config.hydra.runtime.choices["hydra/launcher"]
        raise SystemExit(f"hydra/launcher={choice} works with hydra/sweeper=hwsweep only; choose both")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Not reached: setup comes first."""
        raise NotImplementedError


class RayLauncher(_SweeperOnly):
    """hydra/launcher=hwsweep_ray; see hwsweep/sweep/execution/ray_cluster.py."""

    def __init__(self, address: str | None, cpus_per_trial: int, environment: list[str]) -> None:
        """Take what the configuration holds, so that setup can refuse."""


class SlurmLauncher(_SweeperOnly):
    """hydra/launcher=hwsweep_slurm; see hwsweep/sweep/execution/slurm_cluster.py."""

    def __init__(
        self,
        cluster: str,
        partition: str | None,
        cpus_per_trial: int,
        memory_gb: float | None,
        minutes: int,
        max_timeouts: int,
        signal_seconds: int,
        options: dict[str, Any],
    ) -> None:
        """Take what the configuration holds, so that setup can refuse."""
