"""Trials are composed from the copies of the YAML files, whatever happens to the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from hwsweep.sweep.config_snapshot import stored_loader, take_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.mark.parametrize("where", ["command", "file"])
def test_a_search_path_of_the_user_is_copied_too(tmp_path: Path, where: str) -> None:
    (tmp_path / "conf" / "shape").mkdir(parents=True)
    (tmp_path / "it's more" / "shape").mkdir(parents=True)
    added = f'["file://{tmp_path}/it\'s more"]'
    line = f"hydra: {{searchpath: {added}}}\n" if where == "file" else ""
    (tmp_path / "conf" / "config.yaml").write_text(f"defaults: [{{shape: round}}, _self_]\nx: 3\n{line}")
    (tmp_path / "conf" / "shape" / "round.yaml").write_text("size: 5\n")
    (tmp_path / "it's more" / "shape" / "square.yaml").write_text("size: 7\n")
    with initialize_config_dir(version_base="1.3", config_dir=str(tmp_path / "conf")):
        lines = ["hydra/sweeper=hwsweep", *([f"hydra.searchpath={added}"] if where == "command" else [])]
        config = compose("config", lines, return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        snapshot = take_snapshot(loader, config, "night", tmp_path / "study")
    shutil.rmtree(tmp_path / "conf")
    stored = stored_loader(tmp_path / "study").load_configuration("config", ["shape=square"], RunMode.RUN)
    assert (stored.x, stored.shape.size) == (3, 7)
    shutil.rmtree(tmp_path / "it's more")
    composed = snapshot.compose(["shape=square", "x=4"])
    assert (composed.x, composed.shape.size) == (4, 7)
    assert (composed.hydra.sweeper.study_name, composed.hydra.sweep.dir) == ("night", str(tmp_path / "study"))
