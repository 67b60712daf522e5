"""Hydra still has the internal names that the sweep needs, and they do what it needs."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

SOURCE = Path(__file__).parents[2] / "hwsweep/sweep/hydra_internals.py"
CONSEQUENCES = {
    node.name: (ast.get_docstring(node) or "").splitlines()[-1]
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef)
}
"""The last sentence of each function's docstring: what breaks without the internal names."""


@contextmanager
def needed_for(function: str) -> Iterator[Any]:
    """The function; the test fails with its sentence if Hydra has changed."""
    try:
        yield getattr(importlib.import_module("hwsweep.sweep.hydra_internals"), function)
    except Exception as error:
        pytest.fail(f"Hydra has changed ({type(error).__name__}: {error}). {CONSEQUENCES[function]}")


def test_a_loader_composes_from_any_folders(tmp_path: Path) -> None:
    (tmp_path / "first" / "shape").mkdir(parents=True)
    (tmp_path / "second" / "shape").mkdir(parents=True)
    (tmp_path / "first" / "config.yaml").write_text("defaults: [{shape: round}, _self_]\nx: 3\n")
    (tmp_path / "first" / "shape" / "round.yaml").write_text("size: 5\n")
    (tmp_path / "second" / "shape" / "square.yaml").write_text("size: 7\n")
    Plugins.instance()
    folders = [("main", f"file://{tmp_path}/first"), ("more", f"file://{tmp_path}/second")]
    with needed_for("config_loader") as config_loader:
        loader = config_loader([("hydra", "pkg://hydra.conf"), *folders, ("schema", "structured://")])
        config = loader.load_configuration("config", ["shape=square", "x=4"], RunMode.RUN)
        assert (config.x, config.shape.size) == (4, 7)


def test_overrides_are_set_by_hydras_rules() -> None:
    config = OmegaConf.create({"x": 1, "inner": {"y": 2, "z": 3}})
    OmegaConf.set_struct(config, True)
    lines = ["x=5", "+new.key=[1,2]", "++inner.y=6", "~inner.z"]
    with needed_for("apply_overrides") as apply_overrides:
        apply_overrides(OverridesParser.create().parse_overrides(lines), config)
        assert OmegaConf.to_container(config) == {"x": 5, "inner": {"y": 6}, "new": {"key": [1, 2]}}
        with pytest.raises(ConfigCompositionException, match="Could not override 'misspelt'"):
            apply_overrides(OverridesParser.create().parse_overrides(["misspelt=1"]), config)
