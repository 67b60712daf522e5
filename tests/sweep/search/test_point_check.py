"""Points that the program refuses cost no process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import refusing
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig
from stub_sweeps import Ran

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.point_check import MAX_EARLY_CHECKS, PointChecker, refusal_lines
from hwsweep.sweep.search.space import build_space

Sweep = Callable[..., Ran]
CHECK = {"_target_": "refusing.check", "least": 3}
pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.fixture(scope="module")
def checker() -> Iterator[Callable[..., PointChecker]]:
    with initialize(version_base="1.3", config_path="../stub_conf"):
        config = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()

        def make(*lines: str, composed: list[list[str]] = []) -> PointChecker:  # noqa: B006
            def compose_point(lines: list[str]) -> DictConfig:
                composed.append(lines)
                return loader.load_configuration("config", lines, RunMode.RUN)

            space = build_space(list(lines), loader, [], [], {}, config, seed=7, max_points=None)
            return PointChecker(CHECK, space, loader, compose_point)

        yield make


def test_a_point_is_refused_by_what_it_composes_to(checker: Callable[..., PointChecker]) -> None:
    grid = checker("x=2,3,13", "shape=round,square", "+more.deep=1")
    why = "Impossible: x must be at least 3 and round, but got"
    points = grid.space.points()
    assert [grid.refusal_message(point) for point in points[:4]] == [f"{why} 2", f"{why} 2", None, f"{why} 3"]
    assert grid.refusals(points) == [(0, f"{why} 2"), (1, f"{why} 2"), (3, f"{why} 3")]


def test_a_check_that_breaks_refuses_nothing_and_says_so(
    checker: Callable[..., PointChecker], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checker("x=13,14").refusal_message({"x": 13}) is None
    assert capsys.readouterr().err == "x=13 could not be checked: RuntimeError: the check itself is broken\n"


def test_a_point_that_does_not_compose_is_refused(checker: Callable[..., PointChecker]) -> None:
    message = checker("x=5", "shape=round,oval").refusal_message({"shape": "oval"})
    assert message is not None and "Could not find 'shape/oval'" in message


def test_the_checks_before_the_first_trial_are_bounded_and_hydra_composes_once(
    checker: Callable[..., PointChecker], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    monkeypatch.setattr(refusing, "check", lambda config, least: checked.append(config.x))
    composed: list[list[str]] = []
    grid = checker("x=range(5,1005)", composed=composed)
    assert grid.refusals(grid.space.points()) == []
    assert checked == list(range(5, 5 + MAX_EARLY_CHECKS))
    assert composed == [[]]
    grid.refusal_message({"x": 5})
    assert len(checked) == MAX_EARLY_CHECKS  # no point is checked twice


def test_a_grid_without_a_possible_point_is_an_error(checker: Callable[..., PointChecker]) -> None:
    grid = checker("x=1,2")
    with pytest.raises(SweepError, match="every point is refused; the first, x=1: Impossible: x must be at least 3"):
        grid.refusals(grid.space.points())


def test_a_search_whose_fixed_setting_is_impossible_is_an_error_before_its_first_trial(
    checker: Callable[..., PointChecker],
) -> None:
    with pytest.raises(SweepError, match=r"every point is refused; how=a, seed=1, .*: Impossible: .* but got 1"):
        checker("x=1", "how=a,b", "seed=int(interval(1,9))").check_corners()
    checker("x=5", "seed=int(interval(1,9))").check_corners()  # all points are possible
    checker("x=interval(1,9)").check_corners()  # some are
    checker("x=interval(-9,0)").check_corners()  # none, but the reason differs from point to point


def test_many_refusals_are_listed_briefly() -> None:
    lines = refusal_lines([(n, "no") for n in range(7)], [{"x": n} for n in range(20)])
    assert lines[0] == "7 of 20 points refused:"
    assert lines[1:] == [*(f"  x={n}: no" for n in range(5)), "  and 2 more; study.json lists them all"]


@pytest.fixture
def checked(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """A sweep whose program refuses x < 3."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return lambda *arguments: sweep(*arguments, "hydra.sweeper.check={_target_:refusing.check,least:3}")


def test_refused_points_of_a_grid_are_announced_and_left_out(checked: Sweep) -> None:
    ran = checked("x=2,3,1,4")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[:4] == [
        "2 runs: grid over x (2 of 4 points)",
        "2 of 4 points refused:",
        "  x=2: Impossible: x must be at least 3 and round, but got 2",
        "  x=1: Impossible: x must be at least 3 and round, but got 1",
    ]
    assert [(trial.params, trial.state.name) for trial in ran.trials()] == [
        ({"x": 3}, "COMPLETE"),
        ({"x": 4}, "COMPLETE"),
    ]
    assert json.loads((ran.studies[0] / "study.json").read_text())["status"] == "ended"


def test_a_sweep_of_refused_points_alone_leaves_nothing_behind(checked: Sweep) -> None:
    ran = checked("x=1,2")
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("every point is refused; the first, x=1: Impossible")
    assert not ran.outputs.exists()


def test_refused_suggestions_of_a_sampler_fail_without_a_process_and_do_not_count(checked: Sweep) -> None:
    ran = checked("x=range(0,6)", "hydra.sweeper.n_trials=3", "hydra.sweeper.max_failure_rate=0")
    assert ran.code == 0, ran.err
    states = {trial.params["x"]: trial.state.name for trial in ran.trials()}
    run = {x for x, state in states.items() if state == "COMPLETE"}
    assert run == {3, 4, 5}  # all that is not refused: so each was suggested, once
    refused = [trial for trial in ran.trials() if trial.state.name == "FAIL"]
    assert {trial.params["x"] for trial in refused} <= {0, 1, 2}
    assert len(refused) > 0
    for trial in refused:
        assert trial.user_attrs["failure"]["reason"] == "invalid-config"
        assert not (ran.studies[0] / str(trial.number)).exists()
