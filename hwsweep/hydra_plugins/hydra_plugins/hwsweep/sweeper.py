"""hydra/sweeper=hwsweep. Every Hydra application imports this module when it starts: it stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class HwsweepSearchPath(SearchPathPlugin):
    """Lets every Hydra application find hydra/sweeper=hwsweep and our launchers."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("hwsweep", f"file://{Path(__file__).parent / 'conf'}")


class HwsweepSweeper(Sweeper):
    """Runs every trial in a process of its own and stores the study with Optuna; see docs/sweeps.md."""

    def __init__(self, **settings: object) -> None:
        pass  # the engine reads them in the configuration, and reports an unknown name

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> None:
        """Run the study to its total.

        Raises:
            SystemExit: the command cannot be run (1), too many trials failed (1), or the sweep was interrupted
                (130, 143).
        """
        from hwsweep.sweep import SweepError
        from hwsweep.sweep.engine import sweep

        assert self.hydra_context is not None and self.config is not None
        try:
            sweep(self.hydra_context, self.task_function, self.config, list(arguments))
        except SweepError as error:
            raise SystemExit(str(error)) from error
