"""hydra/sweeper=hwsweep. Every Hydra application imports this module when it starts: it stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


OTHER_SWEEPERS = [
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    "hydra_plugins.hydra_ax_sweeper.ax_sweeper.AxSweeper",
    "hydra_plugins.hydra_nevergrad_sweeper.nevergrad_sweeper.NevergradSweeper",
    "hydra_plugins.hydra_orion_sweeper.orion_sweeper.OrionSweeper",
]
"""Classes that a configuration may still name after `override hydra/sweeper: hwsweep`."""

HYDRA_VALUES = (
    "; before a trial runs, a value may use ${hydra.runtime.cwd} and ${hydra.sweeper.study_name}, "
    "but no ${hydra:...} and no ${hydra.job.id} or .num"
)
_hydras_own = Plugins.instantiate_sweeper


def _instantiate_sweeper(
    plugins: Plugins, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
) -> Sweeper:
    """The sweeper that the configuration names; ours without its settings, which it reads itself.

    Hydra would resolve them first, and end with a traceback where one cannot be resolved.

    Raises:
        SystemExit: the configuration names none.
    """
    from omegaconf.errors import OmegaConfBaseException

    try:
        target = OmegaConf.select(config, "hydra.sweeper._target_")
    except OmegaConfBaseException as error:
        raise SystemExit(f"`hydra.sweeper._target_` cannot be read: {str(error).splitlines()[0]}") from None
    if target is None:
        raise SystemExit("`hydra.sweeper` must be a section with a `_target_`, but has none; use hydra/sweeper=hwsweep")
    if target != f"{__name__}.HwsweepSweeper":
        return _hydras_own(plugins, hydra_context=hydra_context, task_function=task_function, config=config)
    sweeper = HwsweepSweeper()
    sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)
    return sweeper


class HwsweepSearchPath(SearchPathPlugin):
    """Lets every Hydra application find hydra/sweeper=hwsweep and our launchers."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if Plugins.instantiate_sweeper is not _instantiate_sweeper:
            Plugins.instantiate_sweeper = _instantiate_sweeper  # type: ignore[method-assign,assignment]
        for name in OTHER_SWEEPERS:  # a sweeper that is installed keeps its name
            Plugins.instance().class_name_to_class.setdefault(name, OtherSweeper)
        search_path.append("hwsweep", f"file://{Path(__file__).parent / 'conf'}")


class HwsweepSweeper(Sweeper):
    """Runs every trial in a process of its own and stores the study with Optuna; see docs/sweeps.md."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> list[list[JobReturn]]:
        """Hydra's records of the jobs of the study, in one batch, once it has reached its total.

        Raises:
            SystemExit: the command cannot be run (1), too many trials failed (1), or a signal ended the sweep (128 +
                its number; 141 if nobody reads its output any more).
        """
        from hwsweep.processes import ensure_output
        from hwsweep.signals import end_on_signals

        ensure_output()
        with end_on_signals():
            return [self._sweep(arguments)]

    def _sweep(self, arguments: list[str]) -> list[JobReturn]:
        from hydra.errors import ConfigCompositionException
        from omegaconf.errors import OmegaConfBaseException

        from hwsweep.sweep import SweepError
        from hwsweep.sweep.engine import sweep
        from hwsweep.sweep.hydra_internals import did_you_mean

        assert self.hydra_context is not None and self.config is not None
        try:
            return sweep(self.hydra_context, self.task_function, self.config, list(arguments))
        except SweepError as error:
            raise SystemExit(str(error)) from error
        except OmegaConfBaseException as error:
            reason = str(error).partition("\n")[0]
            hint = HYDRA_VALUES if "HydraConfig" in reason or "hydra.job" in reason else ""
            raise SystemExit(f"{error.full_key}: {reason}{hint}") from error
        except ConfigCompositionException as error:
            hint = did_you_mean(error, self.config)
            raise ConfigCompositionException(f"{error}\n{hint}".rstrip()) from error.__cause__


class OtherSweeper(Sweeper):
    """Stands for a sweeper that is not installed, and says what to write instead."""

    def __init__(self, **settings: object) -> None:
        pass

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        raise SystemExit(
            f"hydra.sweeper._target_ is {config.hydra.sweeper._target_}, which is not installed; for hwsweep, remove "
            "the line with _target_ and write `override hydra/sweeper: hwsweep` in the defaults list"
        )

    def sweep(self, arguments: list[str]) -> None:
        raise AssertionError("setup() refuses first")
