"""result.json: what a run leaves in its folder for whoever looks at the study."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "result.json"


def write(folder: Path, run_id: str, metrics: Mapping[str, float]) -> None:
    """Note the MLflow run and its final metrics; all of it or nothing."""
    part = folder / f".{NAME}.{os.getpid()}"
    part.write_text(json.dumps({"run_id": run_id, "metrics": dict(metrics)}, indent=1), encoding="utf-8")
    part.replace(folder / NAME)


def run_id(folder: Path) -> str | None:
    """The MLflow run of this folder, if it has one."""
    path = folder / NAME
    if not path.exists():
        return None
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return str(noted["run_id"])
