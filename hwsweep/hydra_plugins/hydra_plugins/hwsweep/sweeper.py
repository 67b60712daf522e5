"""Hydra's view of the sweep engine. Hydra imports this module at every start of every application: it stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class HwsweepSearchPath(SearchPathPlugin):
    """Makes hydra/sweeper=hwsweep known to every Hydra application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder of the sweeper's own configuration, after the application's."""
        search_path.append("hwsweep", f"file://{Path(__file__).parent / 'conf'}")


class HwsweepSweeper(Sweeper):
    """Runs every trial in a process of its own and keeps the study in Optuna; see docs/sweeps.md."""

    def __init__(
        self,
        n_trials: int | None,
        params: dict[str, Any] | None,
        zip: list[list[str]],
        exclude: list[str],
        when: dict[str, str],
        seeds: int | list[int] | None,
        seed_key: str,
        custom_search_space: str | None,
        direction: str | list[str],
        sampler: DictConfig | None,
        history: int | None,
        pruner: DictConfig | None,
        check: str | DictConfig | None,
        n_jobs: int | None,
        timeout: float | None,
        gpus_per_trial: float | None,
        max_failure_rate: float,
        retries: int,
        preload: list[str],
        study_name: str | None,
        storage: str | None,
        join: bool,
        heartbeat: float,
        observer: DictConfig | None,
    ) -> None:
        # The arguments only make Hydra refuse unknown keys; the engine reads them from the config it can also store.
        self.hydra_context = None
        self.config = None
        self.launcher = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over; nothing is done before sweep()."""
        self.hydra_context = hydra_context
        self.config = config
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> None:
        """Run the study to its total.

        Raises:
            SystemExit: the command means nothing or too many trials failed (1), or the sweep was
                interrupted (130, 143).
        """
        from hwsweep.sweep import SweepError
        from hwsweep.sweep.engine import sweep

        assert self.hydra_context is not None and self.config is not None
        try:
            sweep(self.hydra_context, self.task_function, self.config, list(arguments))
        except SweepError as error:
            raise SystemExit(str(error)) from error
