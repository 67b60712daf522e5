"""What a run leaves in its folder: the one place that knows the names of its files, for writers and readers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPY = "copy.json"
"""Of which folder this one is a copy."""
RESULT = "result.json"
"""MLflow run id, final metrics and words such as the verdict."""
ORIGIN = "origin.json"
"""Versions, commit, machine, data and seed."""
ARRAYS = "analysis.npz"
LEXICON = "lexicon.json"
CONFIG = "config/config.yaml"
FIGURES = "figures"
LAST_CHECKPOINT = "checkpoints/last.pt"
BEST_CHECKPOINT = "checkpoints/best.pt"

OUTCOME = "outcome.json"
"""How a run of a sweep ended."""
PAUSED_OUTCOME = "outcome_*.json"
"""The outcomes of a run of a sweep that was paused and then went on; the star is a number from 1."""
PROCESS = "process.json"
"""Which process runs in the folder."""
OUTPUT = "output.log"
MESSAGES = "messages.jsonl"
"""From a run on another machine to its sweep."""
PRUNED = "pruned"
"""From the sweep to a run on another machine: end it."""


def write_result(folder: Path, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Store the MLflow run, its final metrics, and words such as its verdict."""
    files.write_json(folder / RESULT, {"run_id": run_id, "metrics": dict(metrics), **tags})


def read_result(folder: Path) -> dict[str, Any]:
    """What the program stored of the run; empty without it."""
    return files.read_json_object(folder / RESULT) or {}


def run_id(folder: Path) -> str | None:
    """The MLflow run of this folder, if it has one."""
    return read_tag(folder, "run_id")


def read_tag(folder: Path, name: str) -> str | None:
    """A word that the run stored, such as its verdict; None without it."""
    word = read_result(folder).get(name)
    return None if word is None else str(word)


def write_origin_folder(folder: Path, source: Path) -> None:
    """Store that the folder began as a copy of another run's."""
    files.write_json(folder / COPY, {"folder": str(source)})


def origin_folder(folder: Path) -> str | None:
    """The folder that this one began as a copy of; None if it is no copy."""
    return (files.read_json_object(folder / COPY) or {}).get("folder")


def remove_progress(folder: Path) -> None:
    """Remove the checkpoints and the result, so that a run in this folder begins anew."""
    for name in (LAST_CHECKPOINT, BEST_CHECKPOINT, RESULT):
        files.remove(folder / name)


def write_origin(folder: Path, origin: Mapping[str, object]) -> None:
    """Store what the run was made with: versions, commit, data, seed."""
    files.write_json(folder / ORIGIN, dict(origin))


def read_origin(folder: Path) -> dict[str, Any]:
    """What `write_origin` stored; empty without it."""
    return files.read_json_object(folder / ORIGIN) or {}


def write_lexicon(folder: Path, lexicon: str) -> None:
    """Store what the token ids of texts mean."""
    files.write_text(folder / LEXICON, lexicon)


def read_lexicon(folder: Path) -> str | None:
    """What `write_lexicon` stored; None for a run without texts."""
    path = folder / LEXICON
    return path.read_text(encoding="utf-8") if path.exists() else None


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Store what the figures of a study need."""
    import numpy as np

    with files.whole(folder / ARRAYS) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **dict(arrays))


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """What `write_arrays` stored.

    Raises:
        FileNotFoundError: the run stored none.
        ValueError: the file is damaged.
    """
    return read_npz(folder / ARRAYS)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the file, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged.
    """
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy raises many, by what the file holds
        raise ValueError(f"{path} is damaged; move it away to draw the other runs without it") from error


def has_arrays(folder: Path) -> bool:
    """Whether the run has stored arrays."""
    return (folder / ARRAYS).exists()


def figures(folder: Path) -> list[Path]:
    """The PNG files that the run drew, by name."""
    return sorted((folder / FIGURES).glob("*.png"))


def figure_names(folder: Path) -> set[str]:
    """The names of the figures whose data the run has stored, as .npz."""
    return {path.stem for path in (folder / FIGURES).glob("*.npz")}
