"""The sweeper's settings have the same names in YAML and in Python; a wrong name or value is reported."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import compose, initialize
from hydra.core.plugins import Plugins
from hydra_plugins.hwsweep.launcher import HwsweepLauncher
from hydra_plugins.hwsweep.sweeper import OTHER_SWEEPERS
from omegaconf import DictConfig, OmegaConf
from stub_sweeps import Ran

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.setting_checks import LAUNCHER_CHECKS, RAY_CHECKS, SLURM_CHECKS, SWEEPER_CHECKS
from hwsweep.sweep.command.settings import Settings, question, read_settings, section_values, setting_name
from hwsweep.sweep.config_snapshot import hydra_overrides
from hwsweep.sweep.execution import choice

PLUGIN_CONF = Path(__file__).parents[3] / "hwsweep/hydra_plugins/hydra_plugins/hwsweep/conf/hydra"
LAUNCHERS = {"hwsweep": LAUNCHER_CHECKS, "hwsweep_ray": RAY_CHECKS, "hwsweep_slurm": SLURM_CHECKS}
pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.fixture(scope="module")
def composed() -> Iterator[Callable[..., DictConfig]]:
    with initialize(version_base="1.3", config_path="../stub_conf"):
        yield lambda *lines: compose("config", list(lines), return_hydra_config=True)


def names_in(path: str) -> list[str]:
    """The settings that a YAML file of the plugin holds, in order."""
    return [name for name in OmegaConf.load(PLUGIN_CONF / path) if name not in ("defaults", "_target_", "_recursive_")]


def test_yaml_and_python_have_the_same_settings_of_the_sweeper_in_the_same_order() -> None:
    # the file's defaults list brings the sampler
    names = [setting_name(name) for name in Settings._fields if name != "sampler"]
    assert names_in("sweeper/hwsweep.yaml") == names


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
    assert "hydra.sweeper.n_trails is no setting; did you mean n_trials?" in ran.err
    assert "Traceback" not in ran.err
    assert not ran.outputs.exists()


def test_an_unknown_or_missing_setting_of_a_cluster_is_reported_by_name(composed: Callable[..., DictConfig]) -> None:
    checks = dict.fromkeys(("address", "cpus_per_trial", "environment"), lambda key, value: None)
    config = composed("hydra/launcher=hwsweep_ray", "+hydra.launcher.adress=auto")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.adress is no setting; did you mean address\?"):
        section_values(config, "hydra.launcher", checks)
    config = composed("hydra/launcher=hwsweep_ray", "~hydra.launcher.cpus_per_trial")
    with pytest.raises(SweepError, match=r"hydra\.launcher\.cpus_per_trial is missing"):
        section_values(config, "hydra.launcher", checks)


NODE = {"_target_": "optuna.samplers.TPESampler"}


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("n_trials", [0, 2.5, True, "many"], "must be a whole number, at least 1, or null"),
        ("from", ["", 3, ["outputs/night"]], "must be the folder of a study, as in outputs/night, or null"),
        ("top", [0, 1.5, "all"], "must be a whole number of trials, at least 1, or null"),
        ("params", ["x=1,2", {"x": []}, {"optimizer": {"lr": "0.1,1"}}], r"must be keys .* \{vae.lambda: '0,1'\}"),
        ("zip", ["ab", ["a", "b"], [["a"]], [["a", "a"]], [[]]], r"must be a list of groups .*\[\[model, optimizer"),
        ("exclude", ["x > 1", [1], None], r"must be a list of conditions, as in \['x > 1'\]"),
        ("when", ["x > 1", ["x"], {"x": True}, None], "must be keys with one condition each"),
        (
            "seeds",
            [0, -2, [], [1, 1], "abc", "0,1", True, [0.5], [-1], 10**9],
            "must be a whole number from 1 to 10000",
        ),
        ("seed_key", [None, "", 3], "must be a key of the configuration"),
        ("check", [3, "", "check", "a..b", {}], "must be the dotted path of a function, or a node"),
        ("max_points", [0, "all"], "must be a whole number of points, at least 1, or null"),
        ("custom_search_space", [3, "configure", "../x"], "must be the dotted path of a function"),
        (
            "start",
            [{"x": 1}, [3], [{}], None, [{"x": {"a": 1}}]],
            r"must be a list of points, as in \[\{vae.lambda: 1\}",
        ),
        ("direction", ["up", [], None, ["minimize", "up"], 1], "must be minimize or maximize, or a list"),
        (
            "constraints",
            ["x <= 1", ["x < 1"], ["x"], ["x <= y"], ["x <= nan"], ["x <= 1", "x<=1.0"], [1], None],
            r"must be a list of bounds on metrics, as in \['valid/error <= 0.05'\]",
        ),
        ("history", [99, "x"], "must be a whole number of trials, at least 100, or null"),
        ("sampler", [3, "motpe", {}, {"seed": 1}], r"must be a node such as .*hydra/sweeper/sampler=tpe"),
        (
            "sampler",
            [{**NODE, "seed": "abc"}, {**NODE, "seed": -1}],
            r"\.seed` must be a whole number, at least 0",
        ),
        (
            "pruner",
            ["median", {}, {"_target_": "MedianPruner"}],
            r"must be a node such as \{_target_: optuna.pruners.MedianPruner",
        ),
        ("n_jobs", [0, "auto"], "must be a whole number from 1 to 10000, or null"),
        ("timeout", ["soon", -1, 0, math.nan, math.inf, True], r"must be a finite number > 0 \(seconds\), or null"),
        ("gpus_per_trial", [0, -1, "all"], "must be a finite number > 0, or null"),
        ("max_failure_rate", ["some", 2, math.nan, -0.1, None], r"must be a number in \[0, 1\]"),
        ("max_seconds", [0, -1, "1h", math.inf, True], r"must be a finite number > 0 \(seconds\), or null"),
        ("patience", [0, 2.5, True], "must be a whole number of trials, at least 1, or null"),
        ("retries", ["x", -1, None], "must be a whole number, at least 0"),
        ("preload", ["torch", [3], None], r"must be a list of modules, as in \[torch, mlflow\]"),
        ("preload", [["json", "torhc"], ["torhc"], ["torhc.nn"]], "names torhc.*, but there is no such module"),
        ("preload", [["json.nothing", "json.decoder"], ["json.nothing"]], "names json.nothing, but there is"),
        (
            "study_name",
            ["n" * 300, ".", "..", "", "../../x", "/tmp/x", "a/b", " a", "a\n", True],
            "must be the name of a fo",
        ),
        ("storage", ["nonsense", "foo://x", 3, "", "://"], "must be null or the URL of a database, such as sqlite:///"),
        ("storage", ["sqlite://", "sqlite:///:memory:"], "must name a file"),
        ("storage", ["sqlite:///no/folder/here.db"], "no/folder is no folder that can be written"),
        ("storage", [f"sqlite:///{__file__}", "sqlite:////tmp"], r"is no database \(.*\); name another"),
        ("storage", ["mysql://u:secret@h/d"], r"mysql://u:\*\*\*@h/d needs a driver: pip install mysqlclient"),
        ("join", ["yes", 1, None], "must be true or false"),
        ("n_jobs", [10_001, 10**30], "must be a whole number from 1 to 10000, or null"),
        ("timeout", [2e9, 10**30], r"must be a number in \(0, 1e9\] \(seconds\), or null, but got"),
        ("retries", [10**30], "must be a whole number from 0 to 1000000000, but got"),
        ("heartbeat", [1e10], r"must be a number in \(0, 1e9\] \(seconds\), but got"),
        ("heartbeat", [0, "minute", math.inf, None], r"must be a finite number > 0 \(seconds\), but got"),
        ("observer", ["table", {}], "must be a node with _target_"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_a_value_that_cannot_be_is_reported(
    composed: Callable[..., DictConfig], key: str, values: list[Any], message: str
) -> None:
    config = composed()
    for value in values:
        OmegaConf.update(config.hydra.sweeper, key, value, merge=False, force_add=True)
        with pytest.raises(SweepError, match=rf"hydra\.sweeper\.{key}.*{message}") as caught:
            read_settings(config)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


def test_each_setting_is_checked() -> None:
    assert [name for name in SWEEPER_CHECKS if "." not in name] == list(map(setting_name, Settings._fields))
    for launcher, checks in LAUNCHERS.items():
        assert names_in(f"launcher/{launcher}.yaml") == list(checks)


@pytest.mark.parametrize(
    ("launcher", "setting", "message"),
    [
        ("hwsweep", "n_jobs=0", "must be a whole number from 1 to 10000"),
        ("hwsweep", "timeout=soon", "must be a finite number > 0"),
        ("hwsweep", "gpus_per_job=0", "must be a finite number > 0"),
        ("hwsweep", "preload=[torhc]", "names torhc, but there is no such module"),
        ("hwsweep_ray", "cpus_per_trial=many", "must be a whole number, at least 1"),
        ("hwsweep_slurm", "minutes=1:00:00", "must be a whole number of minutes"),
        ("hwsweep_slurm", "options=3", "must be options of sbatch"),
    ],
)
def test_a_value_of_a_launcher_that_cannot_be_is_reported(
    composed: Callable[..., DictConfig], launcher: str, setting: str, message: str
) -> None:
    config = composed(f"hydra/launcher={launcher}", f"hydra.launcher.{setting}")
    with pytest.raises(SweepError, match=rf"hydra\.launcher\.{setting.partition('=')[0]}` {message}"):
        section_values(config, "hydra.launcher", LAUNCHERS[launcher])


def test_a_cluster_with_a_wrong_setting_is_refused_before_a_folder_is_made(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: True)  # its library need not be installed
    with pytest.raises(SweepError, match="minutes` must be a whole number of minutes"):
        choice.executor_kind(composed("hydra/launcher=hwsweep_slurm", "hydra.launcher.minutes=0"))


def test_our_launcher_refuses_a_wrong_setting_before_the_first_job(composed: Callable[..., DictConfig]) -> None:
    launcher = HwsweepLauncher()
    config = composed("hydra/launcher=hwsweep", "hydra.launcher.n_jobs=0")
    launcher.setup(hydra_context=None, task_function=None, config=config)  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match="must be a whole number from 1 to 10000, but got 0"):
        launcher.launch([["x=1"]], 0)


def test_a_joined_study_needs_a_name(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(SweepError, match="join=true needs a name that all processes give"):
        read_settings(composed("hydra.sweeper.join=true"))


def test_the_best_trials_need_the_study_that_they_are_of(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(SweepError, match=r"top needs the study .* hydra\.sweeper\.from=outputs/night"):
        read_settings(composed("hydra.sweeper.top=3"))


def test_patience_needs_one_objective(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(SweepError, match="patience needs one objective, but direction has 2"):
        read_settings(composed("hydra.sweeper.patience=3", "hydra.sweeper.direction=[minimize,minimize]"))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("search_space", "under hydra.sweeper.params"),
        ("optuna_config", "under hydra.sweeper itself"),
        ("max_batch_size", "n_jobs"),
        ("ax_config", "n_trials"),
        ("optim", "n_jobs"),
        ("parametrization", "params"),
    ],
)
def test_a_setting_of_another_sweeper_says_what_to_write(
    composed: Callable[..., DictConfig], name: str, advice: str
) -> None:
    with pytest.raises(SweepError, match=f"hydra.sweeper.{name} is no setting; write .*{advice}"):
        read_settings(composed(f"+hydra.sweeper.{name}={{}}"))


def test_overrides_keep_the_interpolations_that_only_a_trial_can_resolve(composed: Callable[..., DictConfig]) -> None:
    lines = ["hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}"]
    assert hydra_overrides(composed(*lines)) == lines


@pytest.mark.slow
def test_a_subdir_with_the_jobs_number_runs(sweep: Callable[..., Ran]) -> None:
    ran = sweep("x=1,2", "hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}")
    assert (ran.code, [trial.value for trial in ran.trials()]) == (0, [0, 1]), ran.err


@pytest.mark.skipif(not hydra.__version__.startswith("1.3"), reason="Hydra 1.4 imports the class before it asks us")
@pytest.mark.parametrize("name", OTHER_SWEEPERS)
def test_the_class_of_another_sweeper_says_what_to_write(composed: Callable[..., DictConfig], name: str) -> None:
    config = composed(f"hydra.sweeper._target_={name}")
    with pytest.raises(SystemExit, match="remove the line with _target_ and write `override hydra/sweeper: hwsweep`"):
        Plugins.instance().instantiate_sweeper(config=config, hydra_context=None, task_function=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hydra.sweep.dir=${hydra:runtime.cwd}/o", "hydra.sweep.dir: .* may use"),
        ("hydra.sweep.dir=${hydra.job.id}/o", "hydra.sweep.dir: Missing"),
        ("+hydra.sweeper.params.y=${hydra:runtime.cwd}", "hydra.sweeper.params.y: .* may use"),
        ("+hydra.sweeper.params.y=${oc.env:NOT_THERE}", "hydra.sweeper.params.y: .*'NOT_THERE' not found"),
        ("hydra.sweeper=null", "`hydra.sweeper` must be a section with a `_target_`"),
        ("hydra.sweeper._target_=${nothing}", "`hydra.sweeper._target_` cannot be read: .*'nothing' not found"),
        ("hydra.sweep.dir=/proc/x", "/proc/x cannot be written: No such file or directory; change that, or give"),
        ("hydra.sweeper.pruner={_target_:os.getpid}", "must be a class with the method prune, but got os.getpid"),
    ],
)
@pytest.mark.slow
def test_a_refused_command_is_one_line_and_leaves_nothing(sweep: Callable[..., Ran], line: str, message: str) -> None:
    ran = sweep("x=1,2", line)
    assert ran.code == 1
    assert re.search(message, ran.err), ran.err
    assert len(ran.err.splitlines()) == 1
    assert not ran.outputs.exists()


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("n_jobs=4", True),
        ("n_trials=9", True),
        ("history=200", True),
        ("max_seconds=9", True),
        ("patience=9", True),
        ("check=a.b", True),
        ("seeds=3", False),
        ("direction=maximize", False),
        ("start=[{x:1}]", False),
        ("from=outputs/night", False),
        ("constraints=['value <= 1']", False),
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
