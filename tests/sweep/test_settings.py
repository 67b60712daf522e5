"""The sweeper's settings have the same names in YAML and in Python; a wrong name or value is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from omegaconf import DictConfig, OmegaConf
from stub_sweeps import Ran

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.ray_cluster import RaySettings
from hwsweep.sweep.execution.slurm_cluster import SlurmSettings
from hwsweep.sweep.settings import Settings, question, read_settings, section_values

PLUGIN_CONF = Path(__file__).parents[2] / "hwsweep/hydra_plugins/hydra_plugins/hwsweep/conf/hydra"
pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.fixture(scope="module")
def composed() -> Iterator[Callable[..., DictConfig]]:
    with initialize(version_base="1.3", config_path="stub_conf"):
        yield lambda *lines: compose("config", list(lines), return_hydra_config=True)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("sweeper/hwsweep.yaml", [name for name in Settings._fields if name != "sampler"]),  # in the defaults list
        ("launcher/hwsweep_ray.yaml", list(RaySettings._fields)),
        ("launcher/hwsweep_slurm.yaml", list(SlurmSettings._fields)),
    ],
)
def test_yaml_and_python_have_the_same_settings_in_the_same_order(path: str, names: list[str]) -> None:
    file = OmegaConf.load(PLUGIN_CONF / path)
    assert [name for name in file if name not in ("defaults", "_target_", "_recursive_")] == names


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
    config = composed("hydra/launcher=hwsweep_slurm", "+hydra.launcher.minuets=3")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.minuets is no setting; .* cluster, partition"):
        section_values(config, "hydra.launcher", SlurmSettings._fields)
    config = composed("hydra/launcher=hwsweep_slurm", "~hydra.launcher.minutes")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.minutes is missing"):
        section_values(config, "hydra.launcher", SlurmSettings._fields)


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
