from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from hwsweep.sweep import SweepError
from hwsweep.sweep.search.space import Space, build_space

pytestmark = pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4


@pytest.fixture(scope="module")
def build() -> Any:
    with initialize(version_base="1.3", config_path="../stub_conf"):
        config: DictConfig = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()

        def make(
            *lines: str,
            zipped: list[list[str]] = [],  # noqa: B006
            exclude: list[str] = [],  # noqa: B006
            when: dict[str, str] = {},  # noqa: B006
        ) -> Space:
            return build_space(list(lines), loader, zipped, exclude, when, config, seed=7, max_points=1000)

        yield make


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,1,100", (0, 1, 100)),
        ("100,0,1", (100, 0, 1)),
        ("choice(a,b)", ("a", "b")),
        ("range(0,3)", (0, 1, 2)),
        ("range(3)", (0, 1, 2)),
        ("range(5,0,-2)", (5, 3, 1)),
        ("range(0,0.3,0.1)", (0.0, 0.1, 0.2)),
        ("sort(3,1,2)", (1, 2, 3)),
        ("0.5,true,null", (0.5, True, "null")),
        ("'1,2','x y'", ("'1,2'", "'x y'")),
        ("[1,2],[3]", ("[1,2]", "[3]")),
        ("{a:1},{a:2}", ("{a:1}", "{a:2}")),
        ("1,2,1", (1, 2)),
        ("1,1.0,true", ("1", "1.0", "True")),
    ],
)
def test_a_list_in_hydras_grammar_is_its_values_in_order(build: Any, text: str, values: tuple[Any, ...]) -> None:
    (axis,) = build(f"x={text}").axes
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


def test_a_glob_is_the_options_of_a_group(build: Any) -> None:
    assert build("shape=glob(*)").points() == [{"shape": "round"}, {"shape": "square"}]
    assert build("shape=glob(*,exclude=r*)").points() == [{"shape": "square"}]


def test_a_shuffled_list_is_the_same_permutation_every_time(build: Any) -> None:
    (first,), (second,) = build("x=shuffle(range(0,97))").axes, build("x=shuffle(range(0,97))").axes
    assert first.values == second.values
    assert sorted(first.values) == list(range(97))
    assert list(first.values) != list(range(97))


@pytest.mark.parametrize(
    ("text", "low", "high", "log", "integer"),
    [
        ("interval(0,1)", 0.0, 1.0, False, False),
        ("tag(log, interval(1e-4, 1e-1))", 1e-4, 1e-1, True, False),
        ("int(interval(1, 8000))", 1, 7999, False, True),  # x < end, as Hydra defines an interval
        ("int(tag(log, interval(1, 8000)))", 1, 7999, True, True),
    ],
)
def test_an_interval_keeps_its_ends_and_its_scale(
    build: Any, text: str, low: float, high: float, log: bool, integer: bool
) -> None:
    (axis,) = build(f"x={text}").axes
    assert axis.values is None
    assert (axis.low, axis.high, axis.log, axis.integer) == (low, high, log, integer)


def test_points_come_in_command_line_order_with_the_last_axis_fastest(build: Any) -> None:
    points = build("x=2,1", "how=well", "seconds=0,3").points()
    assert points == [
        {"x": 2, "seconds": 0},
        {"x": 2, "seconds": 3},
        {"x": 1, "seconds": 0},
        {"x": 1, "seconds": 3},
    ]


def test_a_later_line_for_a_key_replaces_the_earlier_one(build: Any) -> None:
    assert build("x=1,2", "seconds=0,3", "x=9").points() == [{"seconds": 0}, {"seconds": 3}]
    assert build("x=1,2", "x=9").overrides({}) == ["x=9"]


def test_zipped_lists_go_in_step(build: Any) -> None:
    space = build("x=1,1,2", "seconds=3,4,5", "seed=0,9", zipped=[["x", "seconds"]])
    rows = [(1, 3), (1, 4), (2, 5)]
    # the zipped keys count as one axis, at the place of the key that tells the rows apart
    assert sorted((p["x"], p["seconds"], p["seed"]) for p in space.points()) == sorted(
        (x, seconds, seed) for x, seconds in rows for seed in (0, 9)
    )


def test_zipped_lists_of_unequal_length_are_refused(build: Any) -> None:
    with pytest.raises(SweepError, match="same length, but got x: 2, seconds: 3"):
        build("x=1,2", "seconds=3,4,5", zipped=[["x", "seconds"]])


def test_excluded_points_are_left_out(build: Any) -> None:
    points = build("x=1,2,3", "seconds=1,2,3", exclude=["x > seconds", "x == 2"]).points()
    assert points == [{"x": 1, "seconds": s} for s in (1, 2, 3)] + [{"x": 3, "seconds": 3}]


def test_a_condition_may_name_keys_that_are_not_swept(build: Any) -> None:
    assert build("x=6,7,8", exclude=["x % seed == 0"]).points() == [{"x": 6}, {"x": 8}]  # seed: 7 in stub_conf
    assert build("x=6,7,8", "seed=3", exclude=["x % seed == 0"]).points() == [{"x": 7}, {"x": 8}]
    with pytest.raises(SweepError, match=r"a condition names y\.z, which the configuration does not have"):
        build("x=6,7", exclude=["y.z == 0"])


def test_a_conditional_key_is_swept_only_where_its_condition_holds(build: Any) -> None:
    space = build("shape=round,square", "+shape.angle=30,60", when={"+shape.angle": "shape == 'square'"})
    assert space.points() == [
        {"shape": "round"},
        {"shape": "square", "+shape.angle": 30},
        {"shape": "square", "+shape.angle": 60},
    ]


@pytest.mark.parametrize("value", ["'a,b'", "[1,2]", "{a:1}", "null", "true", "1e-05", r"a\,b", r"'it\'s'"])
def test_a_value_written_back_parses_to_the_same_value(build: Any, value: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    space = build(f"x={value},97")
    (line,) = space.overrides(space.points()[0])
    assert parser.parse_override(line).value() == parser.parse_override(f"x={value}").value()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("range(3,3)", "contains no value"),
        ("range(1,5,0)", "a step other than 0, but got x=range"),
        ("range(0,inf)", "finite ends"),
        ("range(0,1,nan)", "finite ends"),
        ("range(1,100000000)", "has 99,999,999 values, more than hydra.sweeper.max_points=1000"),
        ("shuffle(range(0.0,1.0,1e-9))", "has 1,000,000,000 values"),
        ("interval(1,1)", "begin before it ends"),
        ("int(interval(0.2,0.7))", r"no whole number is left in .*: its ends are cut to 0 and 0, and the end does not"),
        ("int(interval(3,1))", "no whole number is left in .*: its ends are cut to 3 and 1"),
        ("interval(0,inf)", "finite ends"),
        ("interval(nan,1)", "finite ends"),
        ("interval(-1.7e308,1.7e308)", "finite ends"),
        ("tag(log,interval(0,1))", "a logarithmic scale must begin above 0, but got x=tag"),
        ("tag(log,int(interval(0,9)))", "a logarithmic scale must begin above 0"),
        ("tag(log,range(0,9))", "a logarithmic scale must begin above 0"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(build: Any, text: str, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        build(f"x={text}")


def test_intervals_of_integers_alone_are_a_finite_space(build: Any) -> None:
    space = build("x=int(interval(1,4))", "seconds=0,3")
    assert [tuple(point.values()) for point in space.points()] == [(x, s) for x in (1, 2, 3) for s in (0, 3)]
    assert not build("x=int(interval(1,4))", "seconds=interval(0,1)").is_finite
    assert not build("x=int(interval(1,4000))").is_finite


def test_overrides_with_dictionaries_are_not_dropped(build: Any) -> None:
    for lines in (["+a={x:1},{x:2}", "+a={y:10},{y:20}"], ["+a={x:1}", "+a={y:1},{y:2}"], ["+a={x:1}", "++a={y:2}"]):
        with pytest.raises(SweepError, match="a has two overrides with dictionaries"):
            build(*lines)
    assert len(build("+a={x:1},{x:2}", "+b={y:10},{y:20}").points()) == 4


def test_a_key_that_is_added_has_its_name_without_the_plus(build: Any) -> None:
    assert build("+z=1,2,3", exclude=["z == 2"]).points() == [{"+z": 1}, {"+z": 3}]
    assert build("+z=1,2", "++w=3,4", zipped=[["z", "w"]]).points() == [{"+z": 1, "++w": 3}, {"+z": 2, "++w": 4}]
    points = build("x=1,2", "+z=3,4", when={"z": "x == 2"}).points()
    assert points == [{"x": 1}, {"x": 2, "+z": 3}, {"x": 2, "+z": 4}]
