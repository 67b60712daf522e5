"""Optuna's views of a search, each as far as there is something to see."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView

MOST_NAMED = 8


class Seen(NamedTuple):
    """A figure's module, what it draws, and the numbers in it for who cannot see it."""

    name: str
    figure: Any
    info: Any
    numbers: str


def seen(view: StudyView) -> Iterator[Seen]:
    """The figures that show something of this study, in the order of the page."""
    for name, numbers in NUMBERS.items():
        figure = importlib.import_module(f"hwsweep.figures.search.{name}")
        info = figure.info(view)
        if info is not None:
            yield Seen(name, figure, info, numbers(info))


def _history(info: Any) -> str:
    return (
        f"{len(info.number)} complete, {len(info.pruned_number)} pruned, {len(info.failed_number)} failed trials; "
        + (f"{info.objective} begins at {info.value[0]:.5g} and ends at a best of {info.best[-1]:.5g}")
    )


def _importances(info: Any) -> str:
    shares = [f"{name} {share:.0%}" for name, share in zip(info.names, info.share, strict=True)]
    return f"{', '.join(shares[:MOST_NAMED])}; estimated from {info.trials} trials"


def _slices(info: Any) -> str:
    return f"{', '.join(info.names)} against {', '.join(info.objectives)}, {len(info.number)} trials"


def _contour(info: Any) -> str:
    return f"{info.objective} over {' and '.join(info.names)}, {len(info.value)} trials, {_span(info.value)}"


def _parallel(info: Any) -> str:
    return f"{', '.join(info.names)}; {info.trials} trials"


def _timeline(info: Any) -> str:
    slots = int(info.slot.max()) + 1
    return f"{len(info.trial)} runs in {slots} slots, {info.end.max():.0f} s, slots idle {info.idle:.0%} of the time"


def _pareto(info: Any) -> str:
    front = ", ".join(str(number) for number in info.number[info.front][:MOST_NAMED])
    return f"{int(info.front.sum())} of {len(info.number)} trials on the front: {front}"


def _intermediate(info: Any) -> str:
    pruned = int((info.state == "pruned").sum())
    return f"{info.objective} of {len(info.number)} trials by step, {pruned} of them pruned"


def _span(values: Any) -> str:
    return f"from {values.min():.5g} to {values.max():.5g}"


NUMBERS: dict[str, Callable[[Any], str]] = {
    "history": _history,
    "importances": _importances,
    "slices": _slices,
    "contour": _contour,
    "parallel": _parallel,
    "timeline": _timeline,
    "pareto": _pareto,
    "intermediate": _intermediate,
}
"""Module in figures/search -> its numbers in words, in the order of the page."""
