"""Figures: the contract. One file a figure, with these three names:

* `PANELS: int`: how many axes `draw` wants, side by side;
* `info(trained, ...) -> NamedTuple`: exactly what is drawn, as NumPy arrays, numbers and strings;
* `draw(info, axes) -> None`: draws it, with no computation and no global state.

conf/figures/*.yaml names the `info` functions that a model's runs call, with their settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hwsweep.data import Examples, Lexicon
    from hwsweep.models import Model


class Trained(NamedTuple):
    """What a finished run hands to every figure."""

    model: Model
    """In evaluation mode, with the weights of the best epoch."""
    test: Examples
    """The test split in its storage type, on the CPU."""
    history: list[dict[str, float]]
    """One row per epoch: `epoch` (from 1) and every `split/quantity` metric."""
    title: str
    """What the run is called in a title, for instance "lambda = 1"."""
    lexicon: Lexicon | None = None
    """What the ids of texts mean."""
    arrays: Mapping[str, NDArray[np.float64]] = MappingProxyType({})
    """What the run's analysis keeps in analysis.npz."""
