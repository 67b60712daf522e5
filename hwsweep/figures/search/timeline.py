"""When each run ran, and how much of the time slots stood idle."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import BLACK
from hwsweep.figures.search.trials import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.sweep.study.view import StudyView

PANELS = 1
PAUSE = 60.0
"""Seconds without any run that tell an interrupted sweep from an idle one."""
_MOST_NUMBERED = 60  # bars
_ROW = 0.05  # height of a slot's row as a share of the width
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class TimelineInfo(NamedTuple):
    """A bar per run that has ended, in the order of their starts; pauses are cut out of the time."""

    trial: Int64[np.ndarray, " runs"]
    state: np.ndarray
    slot: Int64[np.ndarray, " runs"]
    start: Float64[np.ndarray, " runs"]
    """Seconds that the sweep had run by then."""
    end: Float64[np.ndarray, " runs"]
    idle: float
    """Share of the slots' time in which they ran nothing, 0 to 1."""
    pauses: Float64[np.ndarray, "pauses 2"]
    """Where in the time the sweep stood still, and for how many seconds."""


def info(view: StudyView) -> TimelineInfo | None:
    """Runs of all trials in the slots that were in use; None with fewer than two runs whose time is known."""
    found = [
        (run.outcome.ended - run.outcome.seconds, run.outcome.ended, trial.number, run.outcome.state)
        for trial in view.trials
        for run in trial.runs
        if run.outcome is not None and run.outcome.ended is not None
    ]
    if len(found) < 2:
        return None
    found.sort()
    start, end = (np.array(column, dtype=np.float64) for column in list(zip(*found, strict=True))[:2])
    slot = _slots(start, end)
    start, end, pauses = _without_pauses(start, end)
    return TimelineInfo(
        trial=np.array([number for _, _, number, _ in found]),
        state=np.array([state for *_, state in found]),
        slot=slot,
        start=start,
        end=end,
        idle=max(0.0, 1 - float((end - start).sum()) / (float(end.max()) * (int(slot.max()) + 1) or 1)),
        pauses=pauses,
    )


def draw(info: TimelineInfo, axes: Sequence[Axes]) -> None:
    """A row per slot, a bar per run in the colour of how it ended, with the trial's number where there is room."""
    (axis,) = axes
    unit = [name for name, seconds in _UNITS.items() if info.end.max() >= 2 * seconds or name == "s"][-1]
    start, end = info.start / _UNITS[unit], info.end / _UNITS[unit]
    slots, total = int(info.slot.max()) + 1, float(end.max())
    end_drawn = np.maximum(end, start + total / 2000)  # a bar of no length would not be seen
    low, high = info.slot + 0.08, info.slot + 0.92
    corners = np.stack([[start, low], [start, high], [end_drawn, high], [end_drawn, low]]).transpose(2, 0, 1)
    edge = 0.4 if len(start) <= 200 else 0
    colours = [COLOURS[state] for state in info.state]
    axis.add_collection(PolyCollection(list(corners), facecolors=colours, edgecolors="white", linewidths=edge))
    axis.set_box_aspect(_ROW * slots + 0.02)
    axis.set_xlim(0, total)
    axis.set_ylim(slots, 0)
    axis.set_yticks(np.arange(slots) + 0.5, [f"slot {slot + 1}" for slot in range(slots)])
    axis.tick_params("y", length=0)
    axis.grid(False, axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(8))
    axis.set_xlabel(f"time ({unit}); slots idle {100 * info.idle:.0f} % of it")
    _numbers(axis, info, (start + end) / 2, (end - start) / total)
    _pauses(axis, info, _UNITS[unit])
    seen = [Patch(color=colour, label=state) for state, colour in COLOURS.items() if state in info.state]
    axis.legend(handles=seen, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)


def _numbers(
    axis: Axes, info: TimelineInfo, middle: Float64[np.ndarray, " runs"], share: Float64[np.ndarray, " runs"]
) -> None:
    if len(middle) > _MOST_NUMBERED:
        return
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": "white", "clip_on": True}
    for x, slot, number, wide in zip(middle, info.slot, info.trial, share, strict=True):
        if wide > 0.02:
            axis.text(x, slot + 0.5, str(number), **style)


def _pauses(axis: Axes, info: TimelineInfo, unit: float) -> None:
    for at, seconds in info.pauses:
        axis.axvline(at / unit, color=BLACK, linestyle=":", linewidth=1)
        name = [name for name, size in _UNITS.items() if seconds >= size][-1]
        text = f"stood still {seconds / _UNITS[name]:.3g} {name}"
        axis.annotate(text, (at / unit, 0), (0, 3), textcoords="offset points", ha="center", fontsize=7)


def _without_pauses(
    start: Float64[np.ndarray, " runs"], end: Float64[np.ndarray, " runs"]
) -> tuple[Float64[np.ndarray, " runs"], Float64[np.ndarray, " runs"], Float64[np.ndarray, "pauses 2"]]:
    """Times since the first start, and the stretches longer than `PAUSE` without a run, taken out of them."""
    busy_until = np.maximum.accumulate(end)
    gaps = np.append(0.0, start[1:] - busy_until[:-1])
    cut = np.where(gaps > PAUSE, gaps, 0.0)
    shift = start[0] + np.cumsum(cut)
    start, end = start - shift, end - shift
    at = cut > 0
    return start, end, np.stack([start[at], cut[at]], axis=1)


def _slots(start: Float64[np.ndarray, " runs"], end: Float64[np.ndarray, " runs"]) -> Int64[np.ndarray, " runs"]:
    """For each run the lowest slot that is free at its start: how the engine gives them out."""
    free: list[int] = []
    taken: list[tuple[float, int]] = []
    slots = []
    for begun, ended in zip(start.tolist(), end.tolist(), strict=True):
        while taken and taken[0][0] <= begun:
            heapq.heappush(free, heapq.heappop(taken)[1])
        slot = heapq.heappop(free) if free else len(taken)
        slots.append(slot)
        heapq.heappush(taken, (ended, slot))
    return np.array(slots)
