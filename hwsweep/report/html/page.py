"""The content of a page as plain values; `render` turns it into HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsweep.figures.png import Box


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    number: float | None = None
    """The sort key; None: the text is."""
    title: str = ""
    """The full value where `text` is shortened."""
    link: str = ""
    """An address that opens when the reader follows it."""


@dataclass(frozen=True)
class Failed:
    """A trial without numbers."""

    leading: list[Cell]
    """Number and swept values."""
    reason: str
    message: str
    command: str
    """Runs the trial again."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; failed trials stay below them, however the rows are sorted."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    failed: list[Failed] = field(default_factory=list)
    best: int | None = None
    """The row to highlight."""
    tools: bool = False
    """Whether the reader can filter the rows and hide columns."""
    differences: dict[str, Any] = field(default_factory=dict)
    """What differs between its rows, then its failed trials, as `report.difference` gives it."""

    @property
    def example(self) -> str:
        """A filter that about half of the rows pass: "lambda < 1"; of the first column of numbers after the trials'."""
        for name, *cells in zip(self.columns[1:], *(row[1:] for row in self.rows), strict=True):
            numbers = sorted(cell.number for cell in cells if cell.number is not None and math.isfinite(cell.number))
            if numbers and numbers[0] < numbers[-1] and not re.search(r"[\s<>=!]", name):
                return f"{name} < {numbers[(len(numbers) + 1) // 2]:.3g}"
        return f"{self.columns[0]} < {len(self.rows)}"


@dataclass(frozen=True)
class Picture:
    """A PNG file with its caption."""

    name: str
    """Of the file beside the page."""
    caption: str
    alt: str
    """The numbers in the picture, for readers who cannot see it."""
    png: bytes
    images: Sequence[Box] = ()
    """Where photographs lie in it: a dark page inverts the brightness of a drawing, but not theirs."""
    chart: bytes = b""
    """The same figure for Plotly, which takes the picture's place on the screen: gzip of the JSON that charts.js reads.
    """


@dataclass(frozen=True)
class Stop:
    """What a slider shows at one place."""

    title: str
    facts: list[tuple[str, str]]
    """Name and value of each number."""
    images: list[bytes]
    """A PNG for each of the slider's rows."""


@dataclass(frozen=True)
class Slider:
    """Pictures that change as the reader moves a handle; without scripts, and in print, there is none."""

    key: str
    """What the handle moves along."""
    rows: list[str]
    """The names of the rows of pictures."""
    stops: list[Stop]
    note: str = ""
    """Beside the key: which part of all values has a stop."""


@dataclass(frozen=True)
class Fold:
    """Pictures that the reader unfolds."""

    title: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Section:
    """A title and what is below it, in the order of the fields; an empty section is left out of the page."""

    title: str
    sentences: list[str] = field(default_factory=list)
    command: str = ""
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    sliders: list[Slider] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    parts: list[Section] = field(default_factory=list)
    """Side by side where the screen is wide enough: one per study."""

    @property
    def anchor(self) -> str:
        """The name of the section in addresses, for the list of contents."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")

    @property
    def has_charts(self) -> bool:
        """Whether a picture in it has a chart."""
        return any(picture.chart for picture in self.pictures) or any(part.has_charts for part in self.parts)

    @property
    def empty(self) -> bool:
        """Whether there is nothing below the title."""
        has_part = any(not part.empty for part in self.parts)
        content = (self.sentences, self.command, self.tables, self.pictures, self.sliders, self.folds)
        return not (any(content) or has_part)


@dataclass(frozen=True)
class Page:
    """The content of one HTML file."""

    title: str
    status: str
    """One line below the title."""
    sections: list[Section]
    n_first: int = 1
    """Sections before the list of contents."""
