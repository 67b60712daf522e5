"""The start and end of each run, and the share of time in which slots were idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hwsweep.figures.drawing import BLACK, BLUE, GREEN, ORANGE, VERMILLION

PANELS = 1
COLOURS = {"complete": BLUE, "paused": GREEN, "pruned": ORANGE, "failed": VERMILLION}
"""State -> colour, in the order of the legend."""
PAUSE = 60.0
"""Seconds without any run: a longer gap is an interruption of the sweep, not idle time."""
_MAX_NUMBERED = 60  # bars
_ROW = 0.05  # height of a slot's row, as a share of the width
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class Run(NamedTuple):
    """A finished run: one seed of a trial."""

    start: float
    """Seconds of the clock."""
    end: float
    trial: int
    state: str


class TimelineInfo(NamedTuple):
    """A bar per finished run, in the order of their starts; pauses are cut out."""

    trial: Int64[np.ndarray, " runs"]
    state: np.ndarray
    slot: Int64[np.ndarray, " runs"]
    start: Float64[np.ndarray, " runs"]
    """Seconds since the start of the sweep, pauses excluded."""
    end: Float64[np.ndarray, " runs"]
    idle: float
    """Share of the slots' time without a run, 0 to 1."""
    pauses: Float64[np.ndarray, "pauses 2"]
    """Per pause its position on the time axis and its length, in seconds."""


def info(runs: Iterable[Run]) -> TimelineInfo:
    """Each run in its slot."""
    starts, ends, trials, states = zip(*sorted(runs), strict=True)
    start, end = np.array(starts, dtype=np.float64), np.array(ends, dtype=np.float64)
    slot = _slots(start, end)
    start, end, pauses = _without_pauses(start, end)
    return TimelineInfo(
        trial=np.array(trials),
        state=np.array(states),
        slot=slot,
        start=start,
        end=end,
        idle=max(0.0, 1 - float((end - start).sum()) / (float(end.max()) * (int(slot.max()) + 1) or 1)),
        pauses=pauses,
    )


def draw(info: TimelineInfo, axes: Sequence[Axes]) -> None:
    """A row per slot, a bar per run in the colour of its state, with the trial's number where there is room."""
    (axis,) = axes
    unit = [name for name, seconds in _UNITS.items() if info.end.max() >= 2 * seconds or name == "s"][-1]
    start, end = info.start / _UNITS[unit], info.end / _UNITS[unit]
    slots, total = int(info.slot.max()) + 1, float(end.max())
    end_drawn = np.maximum(end, start + total / 2000)  # a bar without length would be invisible
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
    if len(start) <= _MAX_NUMBERED:
        for i in np.flatnonzero(end - start > 0.02 * total):
            middle = ((start[i] + end[i]) / 2, info.slot[i] + 0.5)
            axis.annotate(str(info.trial[i]), middle, ha="center", va="center", fontsize=7, color="white")
    _pauses(axis, info, _UNITS[unit])
    handles = [Patch(color=colour, label=state) for state, colour in COLOURS.items() if state in info.state]
    axis.legend(handles=handles, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles))


def summary(info: TimelineInfo) -> str:
    """The numbers in the figure, for its alternative text."""
    n_slots = int(info.slot.max()) + 1
    return f"{len(info.trial)} runs in {n_slots} slots, {info.end.max():.0f} s, slots idle {info.idle:.0%} of the time"


def _pauses(axis: Axes, info: TimelineInfo, unit: float) -> None:
    for at, seconds in info.pauses:
        axis.axvline(at / unit, color=BLACK, linestyle=":", linewidth=1)
        name = [name for name, size in _UNITS.items() if seconds >= size][-1]
        text = f"paused {seconds / _UNITS[name]:.3g} {name}"
        axis.annotate(text, (at / unit, 0), (0, 3), textcoords="offset points", ha="center", fontsize=7)


def _without_pauses(
    start: Float64[np.ndarray, " runs"], end: Float64[np.ndarray, " runs"]
) -> tuple[Float64[np.ndarray, " runs"], Float64[np.ndarray, " runs"], Float64[np.ndarray, "pauses 2"]]:
    """Times since the first start without the gaps longer than `PAUSE`, and those gaps."""
    busy_until = np.maximum.accumulate(end)
    gaps = np.append(0.0, start[1:] - busy_until[:-1])
    cut = np.where(gaps > PAUSE, gaps, 0.0)
    shift = start[0] + np.cumsum(cut)
    start, end = start - shift, end - shift
    at = cut > 0
    return start, end, np.stack([start[at], cut[at]], axis=1)


def _slots(start: Float64[np.ndarray, " runs"], end: Float64[np.ndarray, " runs"]) -> Int64[np.ndarray, " runs"]:
    """For each run the lowest slot that is free at its start, as the engine assigns slots."""
    free_from: list[float] = []
    slots = []
    for run_start, run_end in zip(start.tolist(), end.tolist(), strict=True):
        slots.append(next((slot for slot, time in enumerate(free_from) if time <= run_start), len(free_from)))
        free_from[slots[-1] : slots[-1] + 1] = [run_end]
    return np.array(slots)
