"""Texts from files. If a file has none, the error names the file and the line."""

from __future__ import annotations

import csv
import difflib
import io
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hwsweep.data import DataError

log = logging.getLogger(__name__)

DELIMITERS = {"tab": "\t", "semicolon": ";", "pipe": "|", "comma": ",", "\\t": "\t"}
"""Delimiters by name: a shell and Hydra's command line need quotes around the characters themselves."""

ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"),
)
"""What a text that is not UTF-8 may be in. The first one, which has the letters of Latin-1, wins where others give the
same text or an equally plausible one."""

LEAST_BYTES = 20
"""Fewer bytes that are not ASCII, such as a single accent, show no language: they are read in the first encoding."""

SAMPLE_BYTES = 100_000
"""Lines from which the encoding is recognised."""


class LabelledText(NamedTuple):
    """One row of a table, or one file of a folder."""

    origin: str
    """File and line, for messages."""
    text: str
    label: str


def check_encoding(encoding: object) -> None:
    """Check that `dataset.encoding` names an encoding of text that Python knows, or is None.

    Raises:
        ValueError: it does not.
    """
    try:
        if encoding is not None:
            "a".encode(str(encoding))
    except LookupError:
        raise ValueError(
            f"`dataset.encoding` must be null or an encoding of text, such as utf-8, cp1252 or gb18030, "
            f"but got {encoding!r}"
        ) from None


def read_texts(paths: Sequence[Path], encoding: str | None) -> list[str]:
    """The text of each file of a data set, without byte order marks.

    Args:
        encoding: of all files. None: UTF-8, and for the files that are not in UTF-8 the one encoding that
            charset-normalizer recognises in all of them together, because a few letters alone may be of many.

    Raises:
        DataError: a file cannot be read, is binary (it has a zero byte) or not in this encoding; or none is recognised.
    """
    contents = [_content(path) for path in paths]
    if encoding is not None:
        return [_decode(path, content, encoding) for path, content in zip(paths, contents, strict=True)]
    texts = [_utf8(path, content) for path, content in zip(paths, contents, strict=True)]
    if foreign := [number for number, text in enumerate(texts) if text is None]:
        recognised = _recognise([contents[number] for number in foreign], paths[foreign[0]])
        for number in foreign:
            texts[number] = _decode(paths[number], contents[number], recognised)
        log.warning(
            "not UTF-8: %d of %d files, the first is %s; read as %s, as in %r. If that is wrong, set dataset.encoding",
            len(foreign),
            len(paths),
            paths[foreign[0]],
            recognised,
            _first_foreign_words(texts[foreign[0]] or ""),
        )
    return [text for text in texts if text is not None]


def read_table(
    path: Path, content: str, delimiter: str, header: bool, texts: Sequence[str], label: str
) -> list[LabelledText]:
    """The text and the label of each row of a CSV file; blank rows are skipped.

    Args:
        path: for messages.
        header: whether the first row names the columns; if not, their names are "1", "2", ...
        texts: names of the columns that are joined by a space.

    Raises:
        DataError: no rows, no such column, a row of another length, an empty label.
    """
    lines = _cells(path, content, delimiter)
    if len(lines) <= header:
        raise DataError(f"{path} has no rows{' below its header' if lines else ''}: name a table with texts and labels")
    n_columns = len(lines[0][1])
    names = [cell.strip() for cell in lines[0][1]] if header else [str(number) for number in range(1, n_columns + 1)]
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
        if header and cells == lines[0][1]:
            raise DataError(f"{origin}: the header stands here again. Remove this row")
        if not (value := cells[label_column].strip()):
            raise DataError(
                f"{origin}: every text needs a label, but column `{label}` is empty. Fill it in, or remove the row"
            )
        rows.append(LabelledText(origin, " ".join(cells[column] for column in text_columns), value))
    return rows


def _cells(path: Path, content: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The cells of each row that is not blank, with the number of the row's last line."""
    csv.field_size_limit(sys.maxsize)  # Python's own limit is 131,072 characters; texts may be longer
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    rows, n_lines = [], 0
    try:
        for cells in reader:
            n_lines = reader.line_num
            rows += [(n_lines, cells)] if cells else []
    except csv.Error as error:
        raise DataError(
            f"{path}, line {n_lines + 1}: {error}, in the row that begins here. Close the quotes of each quoted text. "
            'Write a double quote inside a quoted text twice: ""'
        ) from error
    return rows


def _column(path: Path, names: Sequence[str], name: str, key: str) -> int:
    if names.count(name) > 1:
        raise DataError(f"{path} has {names.count(name)} columns `{name}` (dataset.{key}). Give each its own name")
    if name in names:
        return names.index(name)
    similar = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    if len(names) == 1 and (others := re.findall(r"[^\w \"'-]", names[0])):
        spellings = [spelling for spelling, character in DELIMITERS.items() if character in others]
        hint = f". Is the delimiter another one? dataset.delimiter={[*spellings, repr(others[0])][0]}"
    columns = ", ".join(name[:40] for name in names[:20])
    raise DataError(f"{path} has no column `{name}` (dataset.{key}); its columns: {columns}{hint}")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _utf8(path: Path, content: bytes) -> str | None:
    """The text; None if it has bytes that are not UTF-8."""
    if (zero := content.find(0)) >= 0:
        raise DataError(
            f"{path}, line {_line(content, zero)}: byte 0x00 is not text. The file is damaged, packed, binary or "
            "UTF-16. Save it as UTF-8, name its encoding (dataset.encoding=utf-16), or remove it"
        )
    if (escape := content.find(b"\x1b$")) >= 0:
        raise DataError(
            f"{path}, line {_line(content, escape)}: an escape sequence of ISO-2022 begins here, not text in UTF-8. "
            "Name its encoding, such as dataset.encoding=iso2022_jp or iso2022_kr, or save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _decode(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {_line(content, error.start)}: byte 0x{content[error.start]:02x} is not text in {encoding}. "
            "The file is damaged, binary or in another encoding. Save it as UTF-8, set dataset.encoding, or remove it"
        ) from error


def _recognise(contents: Sequence[bytes], first: Path) -> str:
    """The encoding of all these texts together, recognised from the lines that are not ASCII.

    Raises:
        DataError: it is none of `ENCODINGS`, or several give different texts that are equally plausible.
    """
    from charset_normalizer import from_bytes

    lines = (line for content in contents for line in re.findall(rb"[^\n]*[\x80-\xff][^\n]*", content))
    sample, n_bytes = [], 0
    for line in lines:
        sample.append(line)
        if (n_bytes := n_bytes + len(line)) > SAMPLE_BYTES:
            break
    if sum(len(re.findall(rb"[\x80-\xff]", line)) for line in sample) < LEAST_BYTES:
        return ENCODINGS[0]
    # by chaos alone, which is its own order, Cyrillic of KOI8-R would be half-width katakana
    matches = sorted(
        from_bytes(b"\n".join(sample), cp_isolation=list(ENCODINGS)), key=lambda match: match.chaos - match.coherence
    )
    best = [match for match in matches if (match.chaos, match.coherence) == (matches[0].chaos, matches[0].coherence)]
    names = [ENCODINGS[0] if ENCODINGS[0] in match.could_be_from_charset else match.encoding for match in best]
    if ENCODINGS[0] in names:
        return ENCODINGS[0]
    if len(names) != 1:
        what = f"may be {', '.join(names[:5])}" if names else f"is none of {', '.join(ENCODINGS)}, or not text"
        raise DataError(f"{first} is not UTF-8, and its encoding {what}. Save it as UTF-8, or set dataset.encoding")
    return names[0]


def _first_foreign_words(text: str) -> str:
    """The beginning of the first line that is not ASCII, from its first such word on."""
    found = re.search(r"\w*[^\x00-\x7f][^\n]{,30}", text)
    return found[0].strip() if found else ""


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
