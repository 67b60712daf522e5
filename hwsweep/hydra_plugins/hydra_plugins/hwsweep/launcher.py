"""hydra/launcher=hwsweep. Every Hydra application imports this module when it starts: it stays light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class HwsweepLauncher(Launcher):
    """Runs every job in a fresh process; see docs/sweeps.md."""

    def __init__(self, **settings: object) -> None:
        pass  # launch() reads them in the configuration, and reports an unknown name or a wrong value

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """What each job returned, in order.

        Raises:
            SystemExit: a setting cannot be, or fewer GPUs are visible than the jobs need; nothing was run.
        """
        from hydra.core.singleton import Singleton

        from hwsweep.signals import exit_on_signals
        from hwsweep.sweep import SweepError, hydra_launcher
        from hwsweep.sweep.command.setting_checks import LAUNCHER_CHECKS
        from hwsweep.sweep.command.settings import section_values
        from hwsweep.sweep.execution import devices
        from hwsweep.sweep.execution.job_process import ProcessSettings

        try:
            settings = section_values(self.config, "hydra.launcher", LAUNCHER_CHECKS)
            slots = devices.slot_environments(settings["n_jobs"], settings["gpus_per_job"])
        except SweepError as error:
            raise SystemExit(str(error)) from error
        threads = max(1, devices.usable_cores() // len(slots))
        state = Singleton.get_state()
        program = hydra_launcher.LauncherProgram(self.task_function, self.hydra_context, self.config, state)
        processes = ProcessSettings(slots, threads, settings["timeout"], settings["preload"], output=None)
        with exit_on_signals():
            return hydra_launcher.launch(program, processes, job_overrides, initial_job_idx)
