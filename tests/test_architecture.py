"""Imports point one way: each part of the package may import only what this table allows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwsweep import conf_path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "hwsweep"
FOUNDATION = {"argument_checks", "conf_path", "files", "postgresql", "processes", "run_folder", "signals", "startup"}
"""Files at the root that every part may import."""
SWEEP = {"sweep", "sweep.execution", "sweep.search", "sweep.study"}
ALLOWED = {  # folder, or a file that differs from its folder -> the parts that it may import
    "__init__": {"study", "sweep", "sweep.search"},
    "__main__": {"hydra_versions", "components", "data", "report", "run", "sweep", "tracking", "training"},
    "analysis": {"data", "models", "training"},
    "components": {"hydra_versions", "analysis", "data", "models", "sweep", "training", "training.precision"},
    "data": set(),
    "data.__main__": {"hydra_versions", "data"},
    "figures": {"analysis", "data", "models"},
    "hydra_plugins": {"sweep", "sweep.execution"},
    "hydra_versions": set(),
    "models": {"data", "training.noise", "training.precision"},
    "rate": {"hydra_versions", "analysis", "components", "data", "models", "tracking"},
    "report": {"hydra_versions", "figures", "report.trust", "sweep", "sweep.execution", "sweep.study", "tracking"},
    "report.__main__": {"load_study", "report", "study", "sweep"},
    "report.trust": {"figures", "report", "sweep.study"},
    "report.posterior_collapse": {"hydra_versions", "analysis", "data", "figures", "report", "sweep.study"},
    "reproduce": {"hydra_versions", "components", "run", "sweep", "sweep.study", "tracking", "training"},
    "run": {
        "hydra_versions",
        "analysis",
        "components",
        "data",
        "figures",
        "models",
        "sweep",
        "tracking",
        "training",
        "training.precision",
    },
    "study": {"hydra_versions", "components", "data", "models", "report", *SWEEP},
    "sweep": {"hydra_versions", *SWEEP},
    "sweep.execution": {"sweep"},
    "sweep.search": {"sweep"},
    "sweep.study": {"sweep", "sweep.search"},
    "tracking": set(),
    "tracking.logged_model": {"tracking.served_model"},
    "tracking.served_model": {"hydra_versions", "analysis", "components", "data", "models", "tracking"},
    "training": {"data", "models", "training.noise", "training.precision"},
    "training.noise": set(),
    "training.precision": set(),
    "trial_preload": {"run", "tracking"},
    "ui": {"tracking"},
}
ONLY_IN = {  # a library -> the parts that may import it
    "mlflow": {"tracking", "tracking.logged_model", "tracking.served_model"},
    "optuna": {"report", "sweep", "sweep.search", "sweep.study"},
    "hydra": {"__main__", "components", "hydra_plugins", "hydra_versions", "report", "report.posterior_collapse"}
    | {"rate", "reproduce", "run", "study", "tracking.served_model", *SWEEP},
    "omegaconf": {
        "__main__",
        "components",
        "data.__main__",
        "hydra_plugins",
        "hydra_versions",
        "report",
        "report.posterior_collapse",
    }
    | {"report.trust"}
    | {"rate", "reproduce", "run", "study", "tracking", "tracking.served_model", *SWEEP},
    "torch": {
        "analysis",
        "components",
        "data",
        "figures",
        "models",
        "reproduce",
        "run",
        "tracking.served_model",
        "training",
        "training.noise",
        "training.precision",
        "trial_preload",
    },
}
INTERNALS = {  # the beginning of an internal module's name -> the only file that may import it
    "hydra._internal": "sweep/hydra_internals.py",
    "mlflow.store": "tracking/mlflow_internals.py",
    "mlflow.utils": "tracking/mlflow_internals.py",
}
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILES = {"": 11, "figures": 22}
"""Largest number of files of a folder without its __init__.py; 18 for all other folders."""
ROOM = {"data": 2, "figures": 2, "models": 2, "report": 1}
"""Files that must still fit: what docs/extend.md lets a reader add."""


def part_of(parts: tuple[str, ...]) -> str:
    """The part that a module like ("sweep", "search", "axis") belongs to: the longest one in the table, or its file."""
    if parts == ("data", "__main__"):
        return "data.__main__"
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in ALLOWED:
            return name
    return parts[0] if parts else "__init__"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_part_may_import(path: Path) -> None:
    part = part_of(path.relative_to(PACKAGE).with_suffix("").parts)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "hwsweep" and rest and (target := part_of(tuple(rest))) not in {part, *FOUNDATION}:
            assert target in ALLOWED.get(part, ALLOWED.get(part.partition(".")[0], set())), (
                f"{part} may not import {name}"
            )
        if top in ONLY_IN:
            assert part in ONLY_IN[top], f"{part} may not import {name}"
        for internal, file in INTERNALS.items():
            if name.startswith(internal):
                assert str(path.relative_to(PACKAGE)) == file, f"{name} belongs in {file}"


def test_no_folder_has_too_many_files() -> None:
    for folder in {path.parent for path in FILES}:
        name = "" if folder == PACKAGE else str(folder.relative_to(PACKAGE))
        names = sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")
        assert len(names) <= MAX_FILES.get(name, 18), (
            f"{name or 'the package'} holds {len(names)} files; give a subject of its own a folder: {names}"
        )


def test_there_is_room_for_the_files_that_a_reader_adds() -> None:
    for name, room in ROOM.items():
        n_files = sum(path.name != "__init__.py" for path in (PACKAGE / name).glob("*.py"))
        assert n_files + room <= MAX_FILES.get(name, 18), f"{name} holds {n_files} files; give a subject its own folder"


def test_every_file_of_conf_begins_with_a_comment() -> None:
    for path in conf_path().rglob("*.yaml"):
        text = path.read_text(encoding="utf-8").removeprefix("# @package _global_\n")
        assert text.startswith("# "), f"{path.relative_to(REPOSITORY)} must begin with a comment"
