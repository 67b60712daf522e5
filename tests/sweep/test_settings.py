"""The sweeper's settings have the same names in YAML and in Python; a wrong name or value is reported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from omegaconf import DictConfig, OmegaConf
from stub_sweeps import Ran

from hwsweep.sweep import SweepError
from hwsweep.sweep.settings import Settings, question, read_settings, section_values

PLUGIN_CONF = Path(__file__).parents[2] / "hwsweep/hydra_plugins/hydra_plugins/hwsweep/conf/hydra"
pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.fixture(scope="module")
def composed() -> Iterator[Callable[..., DictConfig]]:
    with initialize(version_base="1.3", config_path="stub_conf"):
        yield lambda *lines: compose("config", list(lines), return_hydra_config=True)


def names_in(path: str) -> list[str]:
    """The settings that a YAML file of the plugin holds, in order."""
    return [name for name in OmegaConf.load(PLUGIN_CONF / path) if name not in ("defaults", "_target_", "_recursive_")]


def test_yaml_and_python_have_the_same_settings_of_the_sweeper_in_the_same_order() -> None:
    # the file's defaults list brings the sampler
    assert names_in("sweeper/hwsweep.yaml") == [name for name in Settings._fields if name != "sampler"]


@pytest.mark.parametrize(("cluster", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_yaml_and_python_have_the_same_settings_of_a_cluster_in_the_same_order(cluster: str, library: str) -> None:
    pytest.importorskip(library)
    module = importlib.import_module(f"hwsweep.sweep.execution.{cluster}_cluster")
    assert names_in(f"launcher/hwsweep_{cluster}.yaml") == list(getattr(module, f"{cluster.title()}Settings")._fields)


@pytest.mark.parametrize("path", ["sweeper/hwsweep.yaml", "launcher/hwsweep_ray.yaml", "launcher/hwsweep_slurm.yaml"])
def test_every_setting_is_explained_beside_its_default(path: str) -> None:
    lines = (PLUGIN_CONF / path).read_text().splitlines()
    settings = [line for line in lines if line[:1].isalpha() and not line.startswith(("_", "defaults:"))]
    assert [line for line in settings if "  # " not in line] == []


def test_an_unknown_setting_is_reported_by_name_and_leaves_nothing_behind(sweep: Callable[..., Ran]) -> None:
    ran = sweep("x=1,2", "+hydra.sweeper.n_trails=3")
    assert ran.code == 1
    assert "hydra.sweeper.n_trails is no setting; the settings of hydra.sweeper are n_trials, params, zip" in ran.err
    assert "Traceback" not in ran.err
    assert not ran.outputs.exists()


def test_an_unknown_or_missing_setting_of_a_cluster_is_reported_by_name(composed: Callable[..., DictConfig]) -> None:
    names = ("address", "cpus_per_trial", "environment")
    config = composed("hydra/launcher=hwsweep_ray", "+hydra.launcher.adress=auto")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.adress is no setting; .* are address, cpus_per_trial"):
        section_values(config, "hydra.launcher", names)
    config = composed("hydra/launcher=hwsweep_ray", "~hydra.launcher.cpus_per_trial")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.cpus_per_trial is missing"):
        section_values(config, "hydra.launcher", names)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n_trials=0", "n_trials must be a whole number, at least 1, or null, but got 0"),
        ("n_trials=2.5", "n_trials must be a whole number, at least 1, or null, but got 2.5"),
        ("n_jobs=auto", "n_jobs must be a whole number, at least 1, or null, but got auto"),
        ("history=99", "history must be at least 100 trials, or null for all, but got 99"),
        ("heartbeat=0", "heartbeat must be above 0 seconds, but got 0"),
        ("heartbeat=minute", "heartbeat must be above 0 seconds, but got minute"),
        ("direction=up", "direction must be minimize or maximize, but got up"),
        ("direction=[minimize,up]", r"direction must be minimize or maximize, but got \['minimize', 'up'\]"),
        ("join=true", "join=true needs a name that all processes give"),
    ],
)
def test_a_value_that_cannot_be_is_reported(composed: Callable[..., DictConfig], line: str, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        read_settings(composed(f"hydra.sweeper.{line}"))


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("n_jobs=4", True),
        ("n_trials=9", True),
        ("history=200", True),
        ("check=a.b", True),
        ("seeds=3", False),
        ("direction=maximize", False),
        ("exclude=['x > 1']", False),
        ("sampler.seed=3", False),
    ],
)
def test_a_study_goes_on_with_other_settings_unless_they_decide_its_trials(
    composed: Callable[..., DictConfig], line: str, same: bool
) -> None:
    def asked(config: DictConfig) -> dict[str, Any]:
        return question(read_settings(config), ["x=1,2"], config)

    assert (asked(composed()) == asked(composed(f"hydra.sweeper.{line}"))) is same
