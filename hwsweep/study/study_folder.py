"""Where a study lies, by its name."""

from __future__ import annotations

from pathlib import Path

from hwsweep.sweep import SweepError

OUTPUTS = Path("outputs")
"""The folder of all studies, in the working directory."""
MAX_NAMES = 5
"""Studies that a message names: the last ones by name."""


def study_folder(name: str | Path) -> Path:
    """The study's folder, from its path or its name under outputs/.

    Raises:
        SweepError: there is neither.
    """
    for folder in (Path(name), OUTPUTS / name):
        if (folder / "study.json").exists():
            return folder
    known = sorted(path.parent.name for path in OUTPUTS.glob("*/study.json"))
    studies = f"there are {', '.join(known[-MAX_NAMES:])}" if known else "there is none under outputs/"
    raise SweepError(f"no study {str(name)!r}, neither as a path nor under outputs/; {studies}")
