"""Imports point one way: each part of the package may import only what this table allows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwsweep.conf_path import conf_path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "hwsweep"
PARTS = {  # files at top level by the part they belong to; folders are parts by their own name
    "build": "run",
    "progress": "run",
    "checkpoint": "train",
    "schedules": "train",
    "optimizers": "train",
    "batches": "train",
    "precision": "train",
    "provenance": "tracking",
    "logged": "tracking",
    "mlflow_database": "tracking",
    "chart_view": "tracking",
    "run_comparison": "reproduce",
}
ALLOWED = {
    "__init__": set(),
    "__main__": {"conf_path", "run", "data", "sweep", "train"},
    "conf_path": set(),
    "exclusive": set(),
    "data": set(),
    "data_command": {"conf_path", "data"},
    "models": {"data"},
    "analysis": {"data", "models", "train"},
    "figures": {"data", "models", "analysis", "sweep"},  # sweep: the figures of a search are drawn from its view
    "train": {"data", "models"},
    "tracking": {"exclusive"},
    "served_model": {"data", "run", "train"},
    "result": set(),
    "run": {"analysis", "data", "figures", "models", "result", "sweep", "tracking", "train"},
    "study": {"analysis", "data", "report", "sweep", "tracking"},
    "report": {"analysis", "figures", "result", "sweep", "tracking"},
    "ui": {"conf_path", "tracking"},
    "reproduce": {"conf_path", "result", "run", "sweep", "tracking", "train"},
    "sweep": {"exclusive"},
    "hydra_plugins": {"sweep"},
}
ONLY_IN = {
    "mlflow": {"tracking", "served_model"},
    "optuna": {"sweep"},
    "hydra": {"__main__", "run", "study", "sweep", "hydra_plugins", "data_command", "served_model", "reproduce"},
    "omegaconf": {
        "__main__",
        "run",
        "sweep",
        "hydra_plugins",
        "report",
        "study",
        "served_model",
        "data_command",
        "ui",
        "reproduce",
    },
    "torch": {"data", "models", "analysis", "figures", "train", "run", "served_model", "reproduce"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(parts: tuple[str, ...]) -> str:
    """The part of the package that a module like ("data", "images") belongs to."""
    if parts[:2] == ("data", "__main__"):
        return "data_command"
    return PARTS.get(parts[0], parts[0]) if parts else "__init__"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_part_may(path: Path) -> None:
    part = part_of(path.relative_to(PACKAGE).with_suffix("").parts)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "hwsweep" and rest:
            target = part_of(tuple(rest))
            assert target == part or target in ALLOWED[part], f"{part} may not import {name}"
        if top in ONLY_IN:
            assert part in ONLY_IN[top], f"{part} may not import {name}"


def test_every_file_of_conf_says_what_it_is() -> None:
    for path in conf_path().rglob("*.yaml"):
        text = path.read_text(encoding="utf-8").removeprefix("# @package _global_\n")
        assert text.startswith("# "), f"{path.relative_to(REPOSITORY)} begins with a comment"
