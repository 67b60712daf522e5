"""From settings and command line to a search: how many runs at once, which values, which grid is too large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString

from hwsweep import conf_path
from hwsweep.sweep import SweepError
from hwsweep.sweep.command import reading
from hwsweep.sweep.command.concurrency import jobs_at_once, trials_in_a_stack
from hwsweep.sweep.command.params import override_line
from hwsweep.sweep.command.planning import make_plan, read_space
from hwsweep.sweep.command.settings import Settings, read_settings
from hwsweep.sweep.execution import devices
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.plan import SearchPlan
from hwsweep.sweep.search.space import Space

GRID = [Axis("x", (1, 2, 3)), Axis("y", (0, 1))]


@pytest.mark.parametrize(
    ("changes", "elsewhere", "expected"),
    [
        ({}, False, 6),
        ({"seeds": 3}, False, 18),
        ({"n_jobs": 4}, False, 4),
        ({"n_jobs": 4}, True, 4),
        ({}, True, 1),
        ({"n_trials": 5}, False, 1),
        ({"pruner": {"_target_": "optuna.pruners.MedianPruner"}}, False, 1),
        ({"custom_search_space": "module.function"}, False, 1),
        ({"gpus_per_trial": 0.5}, False, 1),
    ],
)
def test_runs_go_at_once_where_their_order_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], elsewhere: bool, expected: int
) -> None:
    monkeypatch.setattr(devices, "default_n_jobs", lambda n_runs, device: n_runs)
    settings = Settings(**{**dict.fromkeys(Settings._fields), **changes})
    assert jobs_at_once(settings, Space(GRID, [], [], [], {}, {}), elsewhere, "auto") == expected


@pytest.mark.parametrize(
    ("changes", "elsewhere", "gpus", "expected"),
    [
        ({"stack": "auto"}, False, None, 1),
        ({"stack": "auto"}, False, "", 1),
        ({"stack": "auto"}, False, "0,1", 6),
        ({"stack": "auto", "n_jobs": 4}, False, "0", 4),
        ({"stack": "auto", "seeds": 20}, False, "0", 50),  # what the machine's memory carries
        ({"stack": "auto"}, True, "0", 1),
        ({"stack": "auto", "trainer": None}, False, "0", 1),
        ({"stack": "auto", "gpus_per_trial": 1}, False, "0", 1),
        ({"stack": "auto", "n_trials": 5}, False, "0", 1),
        ({"stack": 1}, False, "0", 1),
        ({"stack": None}, False, "0", 1),
        ({"stack": 4}, False, None, 4),
        ({"stack": 9}, False, None, 6),
        ({"stack": 9, "seeds": 3}, False, None, 9),
        ({"stack": 4}, True, None, "stack=4 .* does not go with another launcher .*; set hydra.sweeper.stack=1"),
        ({"stack": 4, "join": True}, True, None, "does not go with hydra.sweeper.join=true"),
        ({"stack": 4, "trainer": None}, False, None, "does not go with hydra.sweeper.trainer=null"),
        ({"stack": 4, "gpus_per_trial": 1}, False, None, "does not go with hydra.sweeper.gpus_per_trial=1"),
        ({"stack": 4, "device_key": "x"}, False, "0,1", "does not go with a sweep over x"),
        ({"stack": "auto", "device_key": "x"}, False, "0,1", 1),
        ({"stack": 9, "max_points": 5, "n_trials": 20}, False, None, 9),  # more points than are ever listed
    ],
)
def test_trials_train_as_one_where_there_is_a_gpu_or_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], elsewhere: bool, gpus: str | None, expected: int | str
) -> None:
    monkeypatch.setattr(devices, "visible_devices", lambda: gpus.split(",") if gpus else [])
    monkeypatch.setattr(devices, "stacked_processes", lambda: 50)
    settings = Settings(**{**dict.fromkeys(Settings._fields), "trainer": "module.serve", **changes})
    space = Space(GRID, [], [], [], {}, {})
    if isinstance(expected, str):
        with pytest.raises(SweepError, match=expected):
            trials_in_a_stack(settings, space, elsewhere, "auto")
    else:
        assert trials_in_a_stack(settings, space, elsewhere, "auto") == expected


@pytest.mark.parametrize(
    ("device", "gpus", "n_jobs"),
    [("cuda:1", ["7"], 3), ("auto", ["4", "7"], 3), ("cpu", None, 2)],
)
def test_the_trials_of_a_grid_use_the_gpus_that_their_device_names(
    device: str, gpus: list[str] | None, n_jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr(devices, "usable_cores", lambda: 1)  # without a GPU: one run more than cores
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=64 * 2**30))
    monkeypatch.setattr(reading, "start_server", lambda preload, threads: None)
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        command = reading.read_command(loader, config, ["vae.lambda=0,1,100", f"device={device}"])
    assert command.settings.n_jobs == n_jobs
    assert ([*command.processes.trainer_gpus] if command.processes.trainer else None) == gpus


@pytest.fixture(scope="module")
def plan() -> Iterator[Callable[..., SearchPlan]]:
    """plan("x=1,2", n_trials=3): the plan of a sweep of the stub application with these settings."""
    with initialize(version_base="1.3", config_path="../stub_conf"):
        config = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()

        def make(*lines: str, **changes: Any) -> SearchPlan:
            settings = read_settings(config)._replace(**changes)
            return make_plan(settings, read_space(settings, list(lines), loader, config), config, None)

        yield make


ITEMS = [
    None,
    "None",
    "null",
    1,
    "1",
    1.0,
    "1.0",
    True,
    "true",
    "x=1",
    "a,b",
    "range(1,3)",
    "it's",
    "",
    "a b",
    " a",
    "é",
]
ITEMS += [[1, "1", None], {"a": None, "b": "1"}, "interval(0,1)", "[1]", "{a:1}", "\\", 1e-07, "vae"]


def test_an_item_of_a_list_in_yaml_keeps_its_value_and_its_type() -> None:
    (override,) = OverridesParser.create().parse_overrides([override_line("x", ITEMS)])
    read = [item.text if isinstance(item, QuotedString) else item for item in override.value().list]
    for item, value in zip(ITEMS, read, strict=True):
        single = OverridesParser.create().parse_override(override_line("x", [item])).value()
        assert (type(single), single) == (type(item), item)
        if not isinstance(item, list | dict):
            assert (type(value), value) == (type(item), item)


def test_the_command_of_a_list_in_yaml_has_no_quotes_where_none_are_needed() -> None:
    assert override_line("model", ["vae", "vae_conv", 3]) == "model=vae,vae_conv,3"


def test_a_grid_above_the_limit_is_refused_before_it_is_listed(plan: Callable[..., SearchPlan]) -> None:
    lines = [f"+a{n}=range(0,1000)" for n in range(5)]
    with pytest.raises(SweepError, match=r"the grid has 1,000,000,000,000,000 points, more than .*max_points=100000"):
        plan(*lines)
    drawn = plan(*lines, n_trials=7)
    assert (drawn.points, drawn.all_points(), drawn.total) == (None, None, 7)
    with pytest.raises(SweepError, match="a grid needs lists of values"):
        plan(*lines, n_trials=7, sampler={"_target_": "optuna.samplers.GridSampler"})
    assert len(plan("x=range(0,317)", "seed=range(0,317)", max_points=None).points or []) == 317**2


def test_a_finite_axis_of_integers_is_run_once_each(plan: Callable[..., SearchPlan]) -> None:
    assert plan("x=int(interval(1,4))", n_trials=5).points == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert plan("x=int(interval(1,4))").total == 3


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        (["x=1,2", "seed=1,2"], {"seeds": 2}, "both `seeds` and the command sweep over seed"),
        (["x=1,2"], {"seeds": 2, "seed_key": "how"}, "a whole number, but how is 'well'"),
        (["x=1,2"], {"seeds": [1, 2], "seed_key": "nothing"}, "but nothing is 'no such key'"),
        (["x=interval(0,1)"], {}, "the sweep over x has no end"),
        (["x=1,2"], {"exclude": ["x > 0"]}, "`exclude` leaves no point"),
        (["x=1,2"], {"start": [{"x": 7}]}, "start: {x: 7} cannot be: x=7 is none of its values: 1, 2"),
        (["x=1,2"], {"start": [{"x": 1}, {"x": 1}]}, "start: {x: 1} is there twice"),
        (
            ["x=1,2", "seed=1,2"],
            {"start": [{"x": 1}], "exclude": ["x == 1"]},
            "{x: 1} cannot be: `exclude` leaves no such point",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    plan: Callable[..., SearchPlan], lines: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SweepError, match=message):
        plan(*lines, **changes)
