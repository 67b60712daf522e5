"""Hydra still has the internal names that the sweep needs, and they do what it needs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra import main as hydra_main
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.experimental.callback import Callback
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


def test_an_application_is_composed_from_its_folder_and_from_plugins(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x: 3\n")
    with needed_for("application_loader") as application_loader:
        lines = ["hydra/sweeper=hwsweep", "x=4"]
        config = application_loader(str(tmp_path)).load_configuration("config", lines, RunMode.MULTIRUN)
        assert config.x == 4 and config.hydra.sweeper._target_ == "hydra_plugins.hwsweep.sweeper.HwsweepSweeper"


def test_the_callbacks_of_a_configuration_are_made() -> None:
    section = {"callbacks": {"mine": {"_target_": "hydra.experimental.callback.Callback"}}}
    with needed_for("callbacks_of") as callbacks_of:
        (callback,) = callbacks_of(OmegaConf.create({"hydra": section})).callbacks
        assert isinstance(callback, Callback)


def test_overrides_are_set_by_hydras_rules() -> None:
    config = OmegaConf.create({"x": 1, "inner": {"y": 2, "z": 3}})
    OmegaConf.set_struct(config, True)
    lines = ["x=5", "+new.key=[1,2]", "++inner.y=6", "~inner.z"]
    with needed_for("apply_overrides") as apply_overrides:
        apply_overrides(OverridesParser.create().parse_overrides(lines), config)
        assert OmegaConf.to_container(config) == {"x": 5, "inner": {"y": 6}, "new": {"key": [1, 2]}}
        with pytest.raises(ConfigCompositionException, match="Could not override 'misspelt'"):
            apply_overrides(OverridesParser.create().parse_overrides(["misspelt=1"]), config)


@pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
def test_a_program_that_would_sweep_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "-m", "+x=1,2"])
    with needed_for("runs_replaced") as runs_replaced:
        stopped = SystemExit("stopped")
        with pytest.raises(SystemExit) as raised, runs_replaced(stopped):
            hydra_main(config_path=None, version_base="1.3")(lambda cfg: None)()
        assert raised.value is stopped
    GlobalHydra.instance().clear()


@pytest.mark.filterwarnings("ignore:register_new_resolver")  # OmegaConf 2.4
def test_resolvers_are_found_and_added_where_their_names_are_free() -> None:
    OmegaConf.register_new_resolver("eleven", lambda: 11, replace=True)
    with needed_for("resolvers") as resolvers, needed_for("add_resolvers") as add_resolvers:
        eleven = resolvers()["eleven"]
        OmegaConf.clear_resolver("eleven")
        add_resolvers({"eleven": eleven, "oc.env": None})
        assert OmegaConf.create({"x": "${eleven:}", "y": "${oc.env:HOME}"}).x == 11
        assert resolvers()["oc.env"] is not None
        OmegaConf.clear_resolver("eleven")


PROGRAM = """
import hydra

BASE = {} if hydra.__version__ >= "1.4" else {"version_base": "1.3"}

@hydra.main(**BASE, config_path=None)
def main(cfg):
    return float(cfg.x)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["hydra/sweeper=hwsweep", "hydra/launcher=hwsweep"])
def test_a_sweep_gives_no_warning(tmp_path: Path, choice: str) -> None:
    """With Hydra 1.4 a number as hydra.job.id, which is text, gives one."""
    (tmp_path / "app.py").write_text(PROGRAM)
    command = [sys.executable, "-W", "error", "app.py", "-m", choice, "hydra.sweep.dir=swept", "+x=3,5"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
