"""How many runs there are at once if nobody says it; a machine that runs everything at once stands in."""

from __future__ import annotations

from typing import Any

import pytest

from hwsweep.sweep.execution import devices
from hwsweep.sweep.planning import jobs_at_once
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.space import Space
from hwsweep.sweep.settings import Settings

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
    monkeypatch.setattr(devices, "default_n_jobs", lambda n_runs: n_runs)
    settings = Settings(**{**dict.fromkeys(Settings._fields), **changes})
    assert jobs_at_once(settings, Space(GRID, [], [], [], {}, {}), elsewhere) == expected
