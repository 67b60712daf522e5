"""What the figures of a search share: which trials count, what they are called, their colours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from hwsweep.figures.drawing import BLUE, ORANGE, VERMILLION

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView, TrialView

COLOURS = {"complete": BLUE, "pruned": ORANGE, "failed": VERMILLION}
"""State -> colour, in the order of a legend."""

_LONGEST = 20  # characters of a name beside an axis
_SPIKE = 20.0  # times the median; a linear axis would show nothing but the spike


def completed(view: StudyView) -> list[TrialView]:
    """The trials that have a finite value for each objective, by number."""
    n = len(view.directions)
    trials = [trial for trial in view.trials if trial.state == "complete" and len(trial.values) == n]
    return sorted((trial for trial in trials if all(map(math.isfinite, trial.values))), key=lambda trial: trial.number)


def objectives(view: StudyView) -> list[str]:
    """What each objective is called: as conf's `objective` says, else by its place."""
    named = view.config.get("objective")
    names = [named] if isinstance(named, str) else list(named or [])
    n = len(view.directions)
    if len(names) == n:
        return [short(str(name)) for name in names]
    return ["objective"] if n == 1 else [f"objective {place + 1}" for place in range(n)]


def keys(trials: Sequence[TrialView]) -> list[str]:
    """The parameters that take more than one value in these trials, in the order of the command line."""
    found: dict[str, set[str]] = {}
    for trial in trials:
        for key, value in trial.params.items():
            found.setdefault(key, set()).add(str(value))
    return [key for key, values in found.items() if len(values) > 1]


def most_important(view: StudyView, of: list[str], most: int) -> list[str]:
    """All of these parameters if they are not more than `most`; else the most important ones."""
    from hwsweep.sweep.study.importance import importances

    if len(of) <= most:
        return of
    shares = importances(view)
    return sorted(of, key=lambda key: -shares.get(key, 0.0))[:most]


def names(of: Iterable[str]) -> list[str]:
    """The last parts of the keys, or all of a key where two end alike."""
    of = list(of)
    last = [key.rpartition(".")[2] for key in of]
    seen = Counter(last)
    return [short(end if seen[end] == 1 else key) for key, end in zip(of, last, strict=True)]


def short(text: str) -> str:
    """The text as Matplotlib shows it literally, its middle left out if it is long."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[1 - _LONGEST // 2 :]}"
    return text.replace("$", r"\$")  # no mathematics


def spiked(values: Float64[np.ndarray, " values"]) -> bool:
    """Whether a few large values ask for a logarithmic axis."""
    return values.size > 0 and bool(values.min() > 0) and bool(values.max() > _SPIKE * np.median(values))
