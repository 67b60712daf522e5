"""Text out of files, or a message that says in which file and line it is none."""

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


class Row(NamedTuple):
    """One line of a table, or one file of a folder."""

    where: str
    text: str
    label: str


def read_text(path: Path) -> str:
    """The file's text: UTF-8 (a byte order mark is dropped), or else Windows-1252, which holds Latin-1's letters.

    Raises:
        DataError: the file cannot be read, or is binary: a zero byte, or bytes that neither encoding has.
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


def read_table(path: Path, delimiter: str, header: bool, texts: Sequence[str], label: str) -> list[Row]:
    """Every row of a CSV file that is not blank: its `texts` columns joined by a space, and its label.

    Args:
        header: the first row names the columns; without one they are called "1", "2", ...

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
        where = f"{path}, line {line}"
        if len(cells) != n_columns:
            raise DataError(
                f"{where}: {len(cells)} columns, but the first row has {n_columns}. Put texts that contain the "
                f"delimiter {delimiter!r} in double quotes, or set dataset.delimiter"
            )
        if not cells[label_column].strip():
            raise DataError(
                f"{where}: column `{label}` is empty; every text needs a label: fill it in, or remove the row"
            )
        rows.append(Row(where, " ".join(cells[column] for column in text_columns), cells[label_column].strip()))
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
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = ", ".join(name[:40] for name in names[:20])
    raise DataError(f"{path} has no column `{name}` (dataset.{key}); its columns: {shown}{hint}")


def _binary(path: Path, content: bytes, place: int) -> DataError:
    return DataError(
        f"{path}, line {_line(content, place)}: byte 0x{content[place]:02x} is no text. A damaged or binary file, or "
        "UTF-16? Save it as UTF-8, or take it away"
    )


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
