"""What is composed before a study begins: each choice once, not each number."""

from __future__ import annotations

from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.composition_check import covering_overrides
from hwsweep.sweep.search.conditions import parse_condition
from hwsweep.sweep.search.space import Space


def test_each_option_is_composed_and_of_numbers_the_first() -> None:
    axes = [Axis("model", ("vae", "conv", None)), Axis("lr", (0.1, 0.01)), Axis("wide", (True, False))]
    assert covering_overrides(Space(axes, ["seed=1"], [], [], {}, {}), set()) == [
        ["seed=1", "model=vae", "lr=0.1", "wide=True"],
        ["seed=1", "model=conv", "lr=0.1", "wide=True"],
        ["seed=1", "model=None", "lr=0.1", "wide=True"],
        ["seed=1", "model=vae", "lr=0.1", "wide=False"],
    ]


def test_a_number_that_brings_in_another_key_is_composed_too() -> None:
    axes = [Axis("layers", (1, 2)), Axis("width", (8, 16))]
    space = Space(axes, [], [], [], {"width": parse_condition("layers > 1", ["layers"])}, {})
    assert covering_overrides(space, set()) == [["layers=1"], ["layers=2", "width=8"]]


def test_an_option_may_be_called_by_a_number_and_a_field_may_refuse_a_type() -> None:
    space = Space([Axis("resnet", (50, 101)), Axis("layers", (1, 2, 2.5))], [], [], [], {}, {})
    assert covering_overrides(space, {"resnet"}) == [
        ["resnet=50", "layers=1"],
        ["resnet=101", "layers=1"],
        ["resnet=50", "layers=2.5"],
    ]
