"""Trials are composed from the copies of the YAML files, whatever happens to the files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import MISSING, OmegaConf

from hwsweep import files
from hwsweep.sweep.config_snapshot import plain_config, stored_loader, take_snapshot

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


class Kind(Enum):
    ROUND = 1


@dataclass
class Typed:
    kind: Kind = Kind.ROUND
    path: Path = Path("images/train")
    raw: bytes = b"a\xff"
    limit: float = float("inf")
    absent: float = float("nan")
    by_kind: dict[Kind, int] = field(default_factory=lambda: {Kind.ROUND: 3})
    by_number: dict[int, str] = field(default_factory=lambda: {5: "five"})
    paths: list[Path] = field(default_factory=lambda: [Path("a"), Path("b")])
    later: int = MISSING
    same: Any = "${kind}"


def test_an_editors_lock_files_are_not_copied(tmp_path: Path) -> None:
    """Emacs makes a dangling link .#config.yaml beside a file that is changed and not saved."""
    source = tmp_path / "conf"
    source.mkdir()
    (source / "config.yaml").write_text("defaults: [_self_, override hydra/sweeper: hwsweep]\nx: 1\n")
    (source / ".#config.yaml").symlink_to("user@machine.123:456")
    (source / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(source / "pipe.yaml")
    with initialize_config_dir(str(source), version_base="1.3"):
        config = compose("config", ["hydra/sweeper=hwsweep"], return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        snapshot = take_snapshot(loader, config, "night", tmp_path / "study")
    copied = [path.name for path in (tmp_path / "study" / "conf").glob("*_main/*")]
    assert copied == ["config.yaml"]
    assert snapshot.compose(["x=2"]).x == 2


def test_a_structured_config_is_the_same_after_it_was_stored_as_json(tmp_path: Path) -> None:
    config = OmegaConf.create({"typed": OmegaConf.structured(Typed), "hydra": {"verbose": False}})
    plain = plain_config(config)
    assert plain == {
        "typed": {
            "kind": "ROUND",
            "path": "images/train",
            "raw": "b'a\\xff'",
            "limit": "inf",
            "absent": "nan",
            "by_kind": {"ROUND": 3},
            "by_number": {"5": "five"},
            "paths": ["a", "b"],
            "later": "???",
            "same": "${kind}",
        }
    }
    assert files.read_json(files.write_json(tmp_path / "study.json", plain)) == plain
