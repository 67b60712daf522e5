"""Hyperparameter sweeps that show, name and check the posterior collapse of a VAE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsweep.study.stored_study import StoredStudy

__version__ = "0.1.0"


def conf_path() -> Path:
    """The folder conf/: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def load_study(name: str | Path) -> StoredStudy:
    """The study in this folder, or of this name under outputs/, as it stands now; see docs/python.md.

    Raises:
        SweepError: there is no such study, or it cannot be read.
    """
    from hwsweep.study.stored_study import StoredStudy  # not before it is needed: `import hwsweep` loads nothing heavy

    return StoredStudy.load(name)
