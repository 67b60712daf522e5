"""What a run leaves in its folder for whoever looks at it or the study: result, origin, arrays, lexicon."""

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
LEXICON = "lexicon.json"
ORIGIN = "origin.json"


def write(folder: Path, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Note the MLflow run, its final metrics, and words such as its verdict; all of it or nothing."""
    _write(folder / NAME, json.dumps({"run_id": run_id, "metrics": dict(metrics), **tags}, indent=1))


def write_origin(folder: Path, origin: Mapping[str, object]) -> None:
    """Note with what the run was made: versions, commit, data, seed; all of it or nothing."""
    _write(folder / ORIGIN, json.dumps(dict(origin), indent=1))


def origin(folder: Path) -> dict[str, Any]:
    """What `write_origin` noted; empty without it."""
    path = folder / ORIGIN
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write_lexicon(folder: Path, lexicon: str) -> Path:
    """Keep what the ids of texts mean, and return where; all of it or nothing."""
    return _write(folder / LEXICON, lexicon)


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


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)
