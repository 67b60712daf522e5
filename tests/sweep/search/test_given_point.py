"""Points that the user gives: their values are those of the axes, or they are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.given_point import given_point, is_whole
from hwsweep.sweep.search.space import Space, build_space

pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
LINES = [
    *("x=0.5,1,2", "+y=interval(0.1,1)", "+n=int(interval(1,8))", "shape=round,square", "how='a b','1,2',null"),
    *("+left=1,2,2", "+right=a,b,c", "seed=tag(log,range(1,5))", "+flag=true,1"),
]


@pytest.fixture(scope="module")
def space() -> Space:
    with initialize(version_base="1.3", config_path="../stub_conf"):
        config = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        when, exclude = {"n": "shape == 'square'"}, ["x > 1 and shape == 'square'"]
        return build_space(LINES, loader, [["left", "right"]], exclude, when, config, 7, 1000)


@pytest.mark.parametrize(
    ("given", "point"),
    [
        ({"x": 1}, {"x": 1}),
        ({"x": 1.0}, {"x": 1}),
        ({"y": 1}, {"+y": 1.0}),
        ({"+y": 0.25}, {"+y": 0.25}),
        ({"how": "a b"}, {"how": "'a b'"}),
        ({"how": "1,2"}, {"how": "'1,2'"}),
        ({"how": None}, {"how": "null"}),
        ({"shape": "square", "n": 7}, {"+n": 7, "shape": "square"}),
        ({"right": "b"}, {"+right": "b"}),
        ({"right": "b", "left": 2}, {"+right": "b"}),
        ({"seed": 4, "x": 2}, {"x": 2, "seed": 4}),
        ({"flag": True}, {"+flag": "True"}),
    ],
)
def test_a_given_point_has_the_values_of_the_axes(space: Space, given: dict[str, Any], point: dict[str, Any]) -> None:
    found = given_point(space, given)
    assert found == point
    assert [type(value) for value in found.values()] == [type(value) for value in point.values()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"z": 1}, "z is not swept; the swept keys are x, y, n, shape, how, left, right, seed, flag"),
        ({"x": 3}, "x=3 is none of its values: 0.5, 1, 2"),
        ({"x": True}, "x=True is none of its values"),
        ({"y": 2}, "y=2 is none of its values: 0.1 to 1"),
        ({"y": "high"}, "y=high is none of its values"),
        ({"y": "0.25"}, "y=0.25 is none of its values"),
        ({"n": 3}, "n is swept only where shape == 'square'; give that, too"),
        ({"n": 3, "shape": "round"}, "n is swept only where shape == 'square'"),
        ({"n": 2.5, "shape": "square"}, "n=2.5 is none of its values: 1, 2, 3, 4, 5, 6, 7|n=2.5 is .*: 1 to 7"),
        ({"left": 2}, "more than one row of zip .* has .*left=2"),
        ({"left": 1, "right": "c"}, "no row of zip .* has"),
        ({"how": "b"}, "how=b is none of its values: 'a b', '1,2', null"),
    ],
)
def test_a_point_that_cannot_be_is_refused_with_a_reason(space: Space, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        given_point(space, given)


def test_only_a_whole_point_is_excluded_for_sure(space: Space) -> None:
    rest = {"y": 0.5, "how": "a b", "right": "a", "seed": 1, "flag": 1, "shape": "square", "n": 1}
    assert not is_whole(space, given_point(space, {"x": 2, "shape": "square"}))
    assert is_whole(space, given_point(space, {**rest, "x": 1}))
    with pytest.raises(SweepError, match="`exclude` leaves it out"):
        given_point(space, {**rest, "x": 2})
