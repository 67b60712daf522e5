"""A study in one picture: the same images and the same noise at each lambda."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes

from hwsweep.figures.drawing import gap_of, load, tile
from hwsweep.figures.interpolation import InterpolationInfo
from hwsweep.figures.reconstructions import ReconstructionsInfo
from hwsweep.figures.samples import SamplesInfo

PANELS = 1
NEEDS = {"reconstructions", "samples", "interpolation"}
"""The figures that a run must have stored."""
ROWS = ("real", "reconstruction", "prior samples", "interpolation")
_DOWN = 2  # small images below each other in every cell
_ACROSS = 12  # small images side by side over the whole width, with few runs
_STRIP_PIXELS = 480  # width of the small images in a strip, so that a page with 30 stops stays below 10 MB
_MIN_ACROSS = 3  # in each column, with many runs
_MAX_COLUMNS = 8  # runs side by side, readable beside a table on one screen; more runs form a second band
_TITLE, _NOTE = 84, 102  # characters in a line over the whole width
_WIDTH_POINTS, _LINE_POINTS = 500, 10  # of the columns together; of a line of text
_OFFSET: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}


class Column(NamedTuple):
    """One run, described by the caller."""

    title: str
    """For instance "lambda = 100"."""
    note: str
    """Numbers below the title, for instance "distortion 329, rate 0.00 nats"; may be empty."""
    colour: str
    """Of the line under the title: `colour_of` the run's lambda."""
    folder: Path
    """The folder with the run's reconstructions.npz, samples.npz and interpolation.npz."""


class Images(NamedTuple):
    """The images that one run stored."""

    real: UInt8[np.ndarray, "n h w c"]
    reconstructed: UInt8[np.ndarray, "n h w c"]
    samples: UInt8[np.ndarray, "n_samples h w c"]
    steps: UInt8[np.ndarray, "pairs n_steps h w c"]


class MontageInfo(NamedTuple):
    """Per run its title and note, broken into lines, and per row and run one picture of small images."""

    titles: np.ndarray
    notes: np.ndarray
    colours: np.ndarray
    cells: UInt8[np.ndarray, "4 runs height width 3"]
    gap: int
    """Pixels between two cells."""
    columns: int
    """Runs side by side."""


def info(columns: Sequence[Column]) -> MontageInfo:
    """The montage of the images that these runs stored, in this order.

    Raises:
        ValueError: no run, or runs with images of different shapes.
    """
    if not columns:
        raise ValueError("a montage needs a run, but got none")
    return arrange(
        titles=[column.title for column in columns],
        notes=[column.note for column in columns],
        colours=[column.colour for column in columns],
        stored=[_load_images(column.folder) for column in columns],
    )


def arrange(
    titles: Sequence[str], notes: Sequence[str], colours: Sequence[str], stored: Sequence[Images]
) -> MontageInfo:
    """The montage of these images, in this order; the texts are those of `Column`.

    Raises:
        ValueError: images of different shapes.
    """
    shapes = {images.shape[-3:] for run in stored for images in run}
    if len(shapes) > 1:
        raise ValueError(
            f"the runs of a montage must have images of one shape, but these have {sorted(shapes)}; "
            "make one montage per data set"
        )
    n_columns = math.ceil(len(stored) / math.ceil(len(stored) / _MAX_COLUMNS))
    across = min([max(_MIN_ACROSS, math.ceil(_ACROSS / n_columns)), *map(_most_across, stored)])
    cells = np.array([[tile(images, across) for images in _rows(run, across)] for run in stored])
    return MontageInfo(
        titles=np.array([_in_lines(title, _TITLE // n_columns) for title in titles]),
        notes=np.array([_in_lines(note, _NOTE // n_columns) for note in notes]),
        colours=np.array(colours),
        cells=cells.swapaxes(0, 1),
        gap=6 * gap_of(shapes.pop()[0]),
        columns=n_columns,
    )


def strips(folder: Path) -> list[UInt8[np.ndarray, "height width 3"]]:
    """One picture of small images for each of `ROWS`, from the figures of one run."""
    return strips_of(_load_images(folder))


def strips_of(run: Images) -> list[UInt8[np.ndarray, "height width 3"]]:
    """One picture of small images for each of `ROWS`."""
    across = min(across_strip(run.real.shape[2]), _most_across(run))
    return [tile(images, across) for images in _rows(run, across)]


def across_strip(width: int) -> int:
    """The largest number of images of this width side by side in a strip; there are two lines of them."""
    return max(_MIN_ACROSS, min(_ACROSS, _STRIP_PIXELS // width))


def draw(info: MontageInfo, axes: Sequence[Axes]) -> None:
    """One column per run; rows of real images, reconstructions, samples and interpolations.

    Columns that do not fit side by side form bands below each other.
    """
    (axis,) = axes
    _, runs, height, width, _ = info.cells.shape
    right = info.columns * (width + info.gap) - info.gap
    header = round(right / _WIDTH_POINTS * _LINE_POINTS * (2 + _lines(info.titles) + _lines(info.notes)))
    band = header + len(ROWS) * (height + info.gap)
    for run in range(runs):
        left, bottom = run % info.columns * (width + info.gap), run // info.columns * band + header
        _head(axis, info, run, left + width / 2, bottom - info.gap)
        ends, line = [left, left + width], [bottom - info.gap] * 2
        axis.plot(ends, line, color=info.colours[run], linewidth=3, solid_capstyle="butt")
        for row, name in enumerate(ROWS):
            top = bottom + row * (height + info.gap)
            axis.imshow(info.cells[row, run], extent=(left, left + width, top + height, top))
            if left == 0:
                axis.annotate(name, (0, top + height / 2), (-8, 0), ha="right", va="center", **_OFFSET)
    axis.set_xlim(0, right)
    axis.set_ylim(math.ceil(runs / info.columns) * band - info.gap, header - info.gap)
    axis.set_axis_off()


def _head(axis: Axes, info: MontageInfo, run: int, x: float, y: float) -> None:
    """Write the run's title and its note above the line at `y`."""
    above = (0, 4 + _LINE_POINTS * _lines(info.notes))
    axis.annotate(info.notes[run], (x, y), above, ha="center", va="top", fontsize=7.5, **_OFFSET)
    axis.annotate(info.titles[run], (x, y), above, ha="center", va="bottom", fontweight="bold", **_OFFSET)


def _in_lines(text: str, characters: int) -> str:
    """The text, broken after commas and then between words if it does not fit into one line."""
    parts = [text] if len(text) <= characters else text.replace(", ", ",\n").splitlines()
    return "\n".join(textwrap.fill(part, characters) for part in parts)


def _lines(texts: np.ndarray) -> int:
    """The number of lines of the longest text."""
    return max(str(text).count("\n") + 1 for text in texts)


def _load_images(folder: Path) -> Images:
    """The images of one run."""
    reconstructions = load(ReconstructionsInfo, folder / "reconstructions.npz")
    samples = load(SamplesInfo, folder / "samples.npz")
    interpolation = load(InterpolationInfo, folder / "interpolation.npz")
    return Images(reconstructions.real, reconstructions.reconstructed, samples.images, interpolation.steps)


def _most_across(run: Images) -> int:
    """The number of images side by side that fills `_DOWN` lines of every row."""
    return max(1, min(len(run.real) // _DOWN, len(run.samples) // _DOWN, len(run.steps[0])))


def _rows(run: Images, across: int) -> list[UInt8[np.ndarray, "n h w c"]]:
    """The images of each row: the first ones, and `across` evenly spaced steps of an interpolation.

    White ones fill the row where few test images give fewer.
    """
    n = _DOWN * across
    chosen = np.linspace(0, run.steps.shape[1] - 1, across).round().astype(int)
    steps = run.steps[:_DOWN, chosen].reshape(-1, *run.steps.shape[2:])
    white = np.full((n, *run.real.shape[1:]), 255, dtype=np.uint8)
    return [np.concatenate([row, white])[:n] for row in (run.real, run.reconstructed, run.samples, steps)]
