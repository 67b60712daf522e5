"""Hyperparameter sweeps that show, name and check the posterior collapse of a VAE."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsweep.study.function_sweep import sweep as sweep
    from hwsweep.study.stored_study import StoredStudy
    from hwsweep.sweep.search.python_space import Interval
else:
    from hwsweep import sweep

    class _SweepPackage(ModuleType):
        """The package hwsweep.sweep, which is also the function: a package keeps its name in the one around it."""

        def __call__(self, *arguments, **settings):
            """sweep(task, space, *, config, n_trials, n_jobs, direction, study, overrides): a sweep over a function.

            help(hwsweep.study.function_sweep.sweep) explains the arguments, docs/python.md all of it.
            """
            from hwsweep.study.function_sweep import sweep

            return sweep(*arguments, **settings)

    sweep.__class__ = _SweepPackage

__version__ = "0.1.0"


def conf_path() -> Path:
    """The folder conf/: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def interval(low: float, high: float, *, log: bool = False, integer: bool = False) -> Interval:
    """All numbers from `low` on and below `high`, for the space of `hwsweep.sweep`.

    Args:
        log: sampled on a logarithmic scale.
        integer: whole numbers only.
    """
    from hwsweep.sweep.search.python_space import Interval

    return Interval(low, high, log, integer)


def load_study(name: str | Path) -> StoredStudy:
    """The study in this folder, or of this name under outputs/, as it stands now; see docs/python.md.

    Raises:
        SweepError: there is no such study, or it cannot be read.
    """
    from hwsweep.study.stored_study import StoredStudy  # not before it is needed: `import hwsweep` loads nothing heavy

    return StoredStudy.load(name)
