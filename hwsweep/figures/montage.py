"""A study in one picture: what each lambda makes of the same images and the same noise."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import gap_of, load, tile
from hwsweep.figures.interpolation import InterpolationInfo
from hwsweep.figures.reconstructions import ReconstructionsInfo
from hwsweep.figures.samples import SamplesInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 1
ROWS = ("real", "reconstruction", "prior samples", "interpolation")
_DOWN = 2  # small images below each other in every place
_ACROSS = 12  # small images side by side over the whole width, if there are few runs
_MIN_ACROSS = 3  # in each column, if there are many
_LINE = 100  # characters over the whole width


class Column(NamedTuple):
    """One run as the caller describes it."""

    title: str
    """For instance "lambda = 100"."""
    note: str
    """Numbers below the title, for instance "distortion 329, rate 0.00 nats"; may be empty."""
    colour: str
    """The line under the title: `colour_of` the run's lambda."""
    folder: Path
    """Where the run stored reconstructions.npz, samples.npz and interpolation.npz."""


class Images(NamedTuple):
    """What one run stored."""

    real: UInt8[np.ndarray, "n h w c"]
    reconstructed: UInt8[np.ndarray, "n h w c"]
    samples: UInt8[np.ndarray, "n_samples h w c"]
    steps: UInt8[np.ndarray, "pairs n_steps h w c"]


class MontageInfo(NamedTuple):
    """Per run what stands above it, and per row and run one picture of small images."""

    titles: np.ndarray
    notes: np.ndarray
    colours: np.ndarray
    cells: UInt8[np.ndarray, "4 runs height width 3"]
    gap: int
    """Pixels between two cells."""


def info(columns: Sequence[Column]) -> MontageInfo:
    """The montage of these runs, in this order, from what they stored.

    Raises:
        ValueError: no run, or runs whose images differ in shape.
    """
    if not columns:
        raise ValueError("a montage needs a run, but got none")
    stored = [_stored(column.folder) for column in columns]
    shapes = {images.shape[-3:] for run in stored for images in run}
    if len(shapes) > 1:
        raise ValueError(
            f"the runs of a montage must have images of one shape, but these have {sorted(shapes)}; "
            "make one montage per data set"
        )
    across = max(_MIN_ACROSS, math.ceil(_ACROSS / len(columns)))
    across = min([across, *map(_most_across, stored)])
    cells = np.array([[tile(images, across) for images in _rows(run, across)] for run in stored])
    titles, notes, colours = (np.array(texts) for texts in list(zip(*columns, strict=True))[:3])
    return MontageInfo(titles, notes, colours, cells.swapaxes(0, 1), 6 * gap_of(shapes.pop()[0]))


def draw(info: MontageInfo, axes: Sequence[Axes]) -> None:
    """One column per run, one row each for real images, reconstructions, samples and interpolations."""
    (axis,) = axes
    _, runs, height, width, _ = info.cells.shape
    left, top = np.arange(runs) * (width + info.gap), np.arange(len(ROWS)) * (height + info.gap)
    for y, row in zip(top, info.cells, strict=True):
        for x, cell in zip(left, row, strict=True):
            axis.imshow(cell, extent=(x, x + width, y + height, y))
    for x, colour in zip(left, info.colours, strict=True):
        axis.plot([x, x + width], [-info.gap, -info.gap], color=colour, linewidth=3, solid_capstyle="butt")
    axis.set_xlim(0, left[-1] + width)
    axis.set_ylim(top[-1] + height, -info.gap)
    _write(axis, info, left + width / 2, top + height / 2)


def _write(axis: Axes, info: MontageInfo, across: np.ndarray, down: np.ndarray) -> None:
    """Titles and notes above the columns, names left of the rows; sizes in points, whatever the scale."""
    place: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    notes = [textwrap.fill(str(note), _LINE // len(info.titles)) for note in info.notes]
    above = 4 + 9.5 * max(len(note.splitlines()) for note in notes)
    for x, title, note in zip(across, info.titles, notes, strict=True):
        axis.annotate(note, (x, -info.gap), (0, above), ha="center", va="top", fontsize=7.5, **place)
        axis.annotate(title, (x, -info.gap), (0, above), ha="center", va="bottom", fontweight="bold", **place)
    for y, name in zip(down, ROWS, strict=True):
        axis.annotate(name, (0, y), (-8, 0), ha="right", va="center", **place)
    axis.set_axis_off()


def _stored(folder: Path) -> Images:
    """The images of one run."""
    reconstructions = load(ReconstructionsInfo, folder / "reconstructions.npz")
    samples = load(SamplesInfo, folder / "samples.npz")
    interpolation = load(InterpolationInfo, folder / "interpolation.npz")
    return Images(reconstructions.real, reconstructions.reconstructed, samples.images, interpolation.steps)


def _most_across(run: Images) -> int:
    """How many images side by side fill `_DOWN` lines of every row."""
    fit = [len(images) // _DOWN for images in (run.real, run.samples)]
    return max(1, min(*fit, int(run.steps.shape[1])))


def _rows(run: Images, across: int) -> list[UInt8[np.ndarray, "n h w c"]]:
    """The images of each row: the first ones, and of an interpolation `across` steps over the whole way."""
    n = _DOWN * across
    picked = np.linspace(0, run.steps.shape[1] - 1, across).round().astype(int)
    steps = run.steps[:_DOWN, picked].reshape(-1, *run.steps.shape[2:])
    return [run.real[:n], run.reconstructed[:n], run.samples[:n], steps]
