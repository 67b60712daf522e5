"""Which lambdas stand for many, in sentences and in figures that have no place for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64

INCONCLUSIVE = ("untrained", "undecided")
"""Verdicts on runs that tell nothing about collapse."""


def collapse_place(verdicts: Sequence[str]) -> int | None:
    """The first collapsed run that comes right after one that tells and is not collapsed; None if there is none.

    Args:
        verdicts: by rising lambda.
    """
    for place in range(1, len(verdicts)):
        if verdicts[place] == "collapsed" and verdicts[place - 1] not in ("collapsed", *INCONCLUSIVE):
            return place
    return None


def beside(place: int | None) -> list[int]:
    """The runs on both sides of a collapse."""
    return [] if place is None else [place - 1, place]


def spread(weights: Sequence[float], size: int, needed: Iterable[int] = ()) -> list[int]:
    """Indices, rising, of at most `size` of these rising lambdas, spread over their logarithm.

    The needed ones and the two ends are among them, and the lambdas next to even steps; where one of these comes twice
    the lambda that is farthest from all others is. Zero, which has no logarithm, stands a decade below the smallest
    positive lambda.
    """
    if len(weights) <= size:
        return list(range(len(weights)))
    places = _places(weights)
    needed = list(dict.fromkeys(needed))
    steps = np.linspace(places[0], places[-1], max(2, size - len(needed)))
    even = [int(np.abs(places - step).argmin()) for step in steps]
    chosen = list(dict.fromkeys([even[0], even[-1], *needed, *even]))[:size]
    distance = np.abs(places[:, None] - places[chosen]).min(axis=1)
    while len(chosen) < size:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.abs(places - places[chosen[-1]]))
    return sorted(chosen)


def _places(weights: Sequence[float]) -> Float64[np.ndarray, " runs"]:
    """Rising, a decade is 1; runs of one lambda are apart by their order."""
    values = np.array(weights, dtype=np.float64)
    lowest = values[values > 0].min(initial=np.inf)
    places: Float64[np.ndarray, " runs"] = np.log10(np.maximum(values, 0.1 * lowest if np.isfinite(lowest) else 1.0))
    places += 1e-9 * np.arange(len(values))
    return places
