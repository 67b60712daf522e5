"""What a page shows, as plain values: `gather` fills it in, `render` makes HTML of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One place of a table."""

    text: str
    number: float | None = None
    """What sorting goes by; None: the text."""
    title: str = ""
    """The whole of what the text cuts short."""


@dataclass(frozen=True)
class Failed:
    """A trial that gave no numbers."""

    leading: list[Cell]
    """Number and swept values."""
    reason: str
    message: str
    command: str
    """Runs the trial again."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; failed trials stand below them, however the rows are sorted."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    failed: list[Failed] = field(default_factory=list)
    best: int | None = None
    """The row to stress."""


@dataclass(frozen=True)
class Picture:
    """A PNG with its words."""

    name: str
    """Of the file beside the page."""
    caption: str
    alt: str
    """What there is to see, with the numbers."""
    png: bytes


@dataclass(frozen=True)
class Fold:
    """Pictures that are shown on demand."""

    title: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Section:
    """A headline and what stands below it, in this order; empty ones are not shown."""

    title: str
    sentences: list[str] = field(default_factory=list)
    command: str = ""
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    parts: list[Section] = field(default_factory=list)
    """Side by side where there is room: one per study."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing below the headline."""
        inner = any(not part.empty for part in self.parts)
        return not (self.sentences or self.command or self.tables or self.pictures or self.folds or inner)


@dataclass(frozen=True)
class Page:
    """One file of HTML."""

    title: str
    status: str
    """One line: what ran, when, how it ended."""
    sections: list[Section]
