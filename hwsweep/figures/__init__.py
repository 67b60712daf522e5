"""Figures: the contract. Each figure is a module with these three names:

* `PANELS: int`: the number of axes that `draw` needs, side by side;
* `info(trained, ...) -> NamedTuple`: exactly what is drawn, as NumPy arrays, numbers and strings;
* `draw(info, axes) -> None`: draws it, without computation and without global state.

conf/figures/*.yaml names the `info` functions that the runs of a model call, with their settings. These are checked
before training by their types: an `int` counts what is shown, from 1 to 1000, or is a `seed`; a `float` is >= 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsweep.data import Examples, Lexicon
    from hwsweep.models import Model


class Trained(NamedTuple):
    """A finished run, the argument of every figure's `info`."""

    model: Model
    """In evaluation mode, with the weights of the best epoch."""
    test: Examples
    """The test split in its storage type, on the CPU."""
    history: list[dict[str, float]]
    """One row per epoch: `epoch` (from 1) and every `split/quantity` metric."""
    title: str
    """The run's name in titles, for instance "lambda = 1"."""
    lexicon: Lexicon | None = None
    """Words and classes of texts; None for images."""
    arrays: Mapping[str, NDArray[Any]] = MappingProxyType({})
    """The arrays that the run's analysis stores in analysis.npz."""
