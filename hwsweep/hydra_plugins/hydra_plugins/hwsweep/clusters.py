"""Names for Hydra: Ray and Slurm are executors of our sweeper, which asks for no launcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class ClusterLauncher(Launcher):
    """hydra/launcher=hwsweep_ray or hwsweep_slurm; see hwsweep/sweep/execution. Refuses every other sweeper."""

    def __init__(self, **settings: object) -> None:
        pass  # the engine reads them in the configuration, and reports an unknown name

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        choice = config.hydra.runtime.choices["hydra/launcher"]
        raise SystemExit(f"hydra/launcher={choice} works with hydra/sweeper=hwsweep only; choose both")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        raise AssertionError("setup() refuses first")
