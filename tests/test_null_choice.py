"""`group=null` is one line that names the options: Hydra ends with a traceback there."""

from __future__ import annotations

import sys

import pytest
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from hwsweep import conf_path
from hwsweep.__main__ import program
from hwsweep.sweep import SweepError
from hwsweep.sweep.hydra_internals import application_loader
from hwsweep.sweep.search.space import build_space

FOLDERS = {path.parent for path in conf_path().glob("**/*.yaml")} - {conf_path()}
GROUPS = sorted(folder.relative_to(conf_path()).as_posix() for folder in FOLDERS)
ENDS = {
    "figures": "write figures=none",
    "embedding": "write embedding=none",
    "hydra/sweeper/pruner": "write hydra.sweeper.pruner=null",
}
"""How the line ends; that of other groups says to leave the group out."""


@pytest.mark.parametrize("group", [*GROUPS, "hydra/launcher"])
@pytest.mark.parametrize("argument", ["{}=null", "+{}=null"])
def test_every_group_says_what_it_can_be(group: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ", ".join(sorted(path.stem for path in (conf_path() / group).glob("*.yaml")))
    monkeypatch.setattr(sys, "argv", ["hwsweep", "epochs=3", argument.format(group), "-m"])
    with pytest.raises(SystemExit) as end:
        program()
    message = str(end.value)
    assert message.startswith(f"hwsweep: `{group}` must be one of ") and "\n" not in message
    assert options in message or group.startswith("hydra/")  # Hydra and plugins have more of these
    assert message.endswith(f", but got null; {ENDS.get(group, 'leave it out for its default')}")


@pytest.mark.parametrize("line", ["schedule=null", "schedule=step,null", "+schedule=null,step"])
def test_a_sweep_over_a_group_refuses_null_before_any_trial(line: str) -> None:
    Plugins.instance()
    loader = application_loader(str(conf_path()))
    with pytest.raises(SweepError, match="`schedule` must be one of constant, cosine_warmup, step, but got null"):
        build_space(["epochs=3", line], loader, [], [], {}, OmegaConf.create(), seed=0, max_points=None)


def test_values_can_be_null_and_groups_can_be_removed() -> None:
    Plugins.instance()
    loader = application_loader(str(conf_path()))
    lines = ["clip_norm=null,1", "~figures", "hydra.sweeper.pruner=null"]
    config = OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})
    space = build_space(lines, loader, [], [], {}, config, seed=0, max_points=None)
    assert [axis.values for axis in space.axes] == [("null", 1)]
