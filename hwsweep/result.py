"""result.json and analysis.npz: what a run leaves in its folder for whoever looks at the study."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "result.json"
ARRAYS = "analysis.npz"


def write(folder: Path, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Note the MLflow run, its final metrics, and words such as its verdict; all of it or nothing."""
    part = folder / f".{NAME}.{os.getpid()}"
    part.write_text(json.dumps({"run_id": run_id, "metrics": dict(metrics), **tags}, indent=1), encoding="utf-8")
    part.replace(folder / NAME)


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[np.float64]]) -> None:
    """Keep what the figures of a study need in analysis.npz; all of it or nothing."""
    import numpy as np

    part = folder / f".{ARRAYS}.{os.getpid()}"
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **dict(arrays))
    part.replace(folder / ARRAYS)


def run_id(folder: Path) -> str | None:
    """The MLflow run of this folder, if it has one."""
    return tag(folder, "run_id")


def tag(folder: Path, name: str) -> str | None:
    """A word that the run of this folder noted, if there is a run and it did."""
    path = folder / NAME
    if not path.exists():
        return None
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return None if name not in noted else str(noted[name])
