"""Texts from files. If a file has none, the error names the file and the line."""

from __future__ import annotations

import csv
import difflib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hwsweep.data import DataError

log = logging.getLogger(__name__)


class LabelledText(NamedTuple):
    """One row of a table, or one file of a folder."""

    origin: str
    """File and line, for messages."""
    text: str
    label: str


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 (without byte order mark) or else in Windows-1252, which has the letters of Latin-1.

    Raises:
        DataError: the file cannot be read, or is binary: it has a zero byte, or bytes that neither encoding has.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if (zero := content.find(0)) >= 0:
        raise _binary(path, content, zero)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as not_utf8:
        line = _line(content, not_utf8.start)
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise _binary(path, content, error.start) from error
    log.info("%s is not UTF-8 (line %d): read as Windows-1252", path, line)
    return text


def read_table(path: Path, delimiter: str, header: bool, texts: Sequence[str], label: str) -> list[LabelledText]:
    """The text and the label of each row of a CSV file; blank rows are skipped.

    Args:
        header: whether the first row names the columns; if not, their names are "1", "2", ...
        texts: names of the columns that are joined by a space.

    Raises:
        DataError: no text (see `read_text`), no rows, no such column, a row of another length, an empty label.
    """
    lines = _cells(path, delimiter)
    if len(lines) <= header:
        raise DataError(f"{path} has no rows{' below its header' if lines else ''}: name a table with texts and labels")
    n_columns = len(lines[0][1])
    names = lines[0][1] if header else [str(number) for number in range(1, n_columns + 1)]
    text_columns = [_column(path, names, name, "text") for name in texts]
    label_column = _column(path, names, label, "label")
    rows = []
    for line, cells in lines[header:]:
        origin = f"{path}, line {line}"
        if len(cells) != n_columns:
            raise DataError(
                f"{origin}: {len(cells)} columns, but the first row has {n_columns}. Put texts that contain the "
                f"delimiter {delimiter!r} in double quotes, or set dataset.delimiter"
            )
        if not (value := cells[label_column].strip()):
            raise DataError(
                f"{origin}: every text needs a label, but column `{label}` is empty. Fill it in, or remove the row"
            )
        rows.append(LabelledText(origin, " ".join(cells[column] for column in text_columns), value))
    return rows


def _cells(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """The cells of each row that is not blank, with the number of the row's last line."""
    csv.field_size_limit(sys.maxsize)  # Python's own limit is 131,072 characters; texts may be longer
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise DataError(
            f'{path}, line {reader.line_num}: {error}. Write a double quote inside a quoted text twice: ""'
        ) from error


def _column(path: Path, names: Sequence[str], name: str, key: str) -> int:
    if name in names:
        return names.index(name)
    similar = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    columns = ", ".join(name[:40] for name in names[:20])
    raise DataError(f"{path} has no column `{name}` (dataset.{key}); its columns: {columns}{hint}")


def _binary(path: Path, content: bytes, position: int) -> DataError:
    return DataError(
        f"{path}, line {_line(content, position)}: byte 0x{content[position]:02x} is not text. The file is damaged, "
        "binary or UTF-16. Save it as UTF-8, or remove it"
    )


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
