"""Texts of files: a table (CSV), or a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.download import download
from hwsweep.data.locations import Stock, located, missing
from hwsweep.data.splitting import check_share
from hwsweep.data.text_reading import Row, read_table, read_text
from hwsweep.data.text_splits import drawn_rows, encoded_splits

if TYPE_CHECKING:
    from hwsweep.data.tokenizers import Tokenizer
    from hwsweep.data.tokens import TextPlan


class CsvTexts:
    """Texts and labels of one table, or of two: the second holds the test split.

    Args:
        checksums: of the files below `source`, by name (see `download`); None: the user's own, not to be fetched.
        text, label: columns, by the header or, without one, numbered from 1.
        classes: names by what the label column holds, in the order of the labels; None: what it holds, sorted.
        replace: what is replaced in every text, and by what.
    """

    def __init__(
        self,
        name: str,
        source: str,
        checksums: Mapping[str, str] | None,
        path: str,
        test_path: str | None,
        header: bool,
        delimiter: str,
        text: Sequence[str | int],
        label: str | int,
        classes: Mapping[str, str] | None,
        replace: Mapping[str, str],
        valid: int | float,
        test: int | float | None,
        tokenizer: Tokenizer,
        plan: TextPlan,
    ) -> None:
        check_share("valid", valid)
        if (test is None) == (test_path is None):
            raise ValueError(f"either `dataset.test` or `dataset.test_path` must be null, but got {test}, {test_path}")
        if test is not None:
            check_share("test", test)
        if isinstance(text, str | int) or not text:
            raise ValueError(f"`dataset.text` must be a list of columns, such as [title,text], but got {text!r}")
        if len(delimiter) != 1:
            raise ValueError(f"`dataset.delimiter` must be one character, but got {delimiter!r}")
        if classes is not None and len(classes) < 2:
            raise ValueError(f"`dataset.classes` must be null or name at least two classes, but got {dict(classes)}")
        self.name, self.source, self.checksums, self.where = name, source, checksums, located(path)
        self.test_where = None if test_path is None else located(test_path)
        self.header, self.delimiter, self.text, self.label = (
            header,
            delimiter,
            [str(column) for column in text],
            str(label),
        )
        self.classes, self.replace, self.valid, self.test = classes, replace, valid, test
        self.tokenizer, self.plan = tokenizer, plan
        own = f"name your table: dataset={name} dataset.path=/path/of/texts.csv"
        self.way_to_get = own if checksums is None else f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        """The number of classes, if conf names them; the other sizes are placeholders."""
        return {"token": (1,), "word": (2,), "class": (len(self.classes or "01"),)}

    def splits(self, seed: int) -> Splits:
        """A random partition, the same for the same seed; a second table stays the test split."""
        rows, own_test = self._read()
        names = self.classes or {value: value for value in sorted({row.label for row in rows})}
        drawn = drawn_rows(rows, own_test, self.valid, self.test or 0, seed)
        return encoded_splits(drawn, names, self.replace, self.tokenizer, self.plan)

    def stock(self) -> Stock | None:
        """Count of rows; None unless all files are there."""
        files = [self.where] if self.test_where is None else [self.where, self.test_where]
        if not all(file.exists() for file in files):
            return None
        rows, own_test = self._read()
        return Stock(len(rows) + len(own_test or ()), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        """Download what is not there yet and verify its checksum."""
        if self.checksums is None:
            raise DataError(f"`{self.name}` cannot be fetched without you: {self.way_to_get}")
        for name, checksum in self.checksums.items():
            download(f"{self.source}/{name}", self.where.parent / name, checksum)

    def _read(self) -> tuple[list[Row], list[Row] | None]:
        """The rows of the table, and those of the table of test texts if there is one; labels checked."""
        rows = self._table(self.where)
        own_test = None if self.test_where is None else self._table(self.test_where)
        known = set(self.classes or {row.label for row in rows})
        for row in [*rows, *(own_test or ())]:
            if row.label not in known:
                raise DataError(
                    f"{row.where}: label {row.label[:40]!r} is none of {', '.join(sorted(known)[:20])}. Correct "
                    "the row, or name the class in dataset.classes"
                )
        return rows, own_test

    def _table(self, path: Path) -> list[Row]:
        if not path.exists():
            raise missing(self.name, path, self.way_to_get)
        return read_table(path, self.delimiter, self.header, self.text, self.label)


class FolderTexts:
    """Texts of a folder that holds one folder a class, and these one file a text."""

    def __init__(
        self,
        name: str,
        source: str,
        path: str,
        pattern: str,
        replace: Mapping[str, str],
        valid: int | float,
        test: int | float,
        tokenizer: Tokenizer,
        plan: TextPlan,
    ) -> None:
        check_share("valid", valid)
        check_share("test", test)
        self.name, self.source, self.where, self.pattern = name, source, located(path), pattern
        self.replace, self.valid, self.test = replace, valid, test
        self.tokenizer, self.plan = tokenizer, plan
        self.way_to_get = f"name your folder: dataset={name} dataset.path=/path/of/folder"

    @property
    def shapes(self) -> Shapes:
        """Placeholders: only the data tells."""
        return {"token": (1,), "word": (2,), "class": (2,)}

    def splits(self, seed: int) -> Splits:
        """A random partition, the same for the same seed."""
        rows = [Row(str(path), read_text(path), path.relative_to(self.where).parts[0]) for path in self._files()]
        names = {label: label for label in sorted({row.label for row in rows})}
        drawn = drawn_rows(rows, None, self.valid, self.test, seed)
        return encoded_splits(drawn, names, self.replace, self.tokenizer, self.plan)

    def stock(self) -> Stock | None:
        """Count of files; None without the folder."""
        if not self.where.exists():
            return None
        files = self._files()
        return Stock(len(files), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        """Refuse: the texts are the user's own."""
        raise DataError(f"`{self.name}` cannot be fetched without you: {self.way_to_get}")

    def _files(self) -> list[Path]:
        """Files of all classes in the order of their names; hidden folders do not count."""
        if not self.where.is_dir():
            raise missing(self.name, self.where, self.way_to_get)
        folders = [folder for folder in sorted(self.where.iterdir()) if folder.is_dir() and folder.name[0] != "."]
        files = [file for folder in folders for file in sorted(folder.rglob(self.pattern)) if file.is_file()]
        if not files:
            raise DataError(
                f"{self.where} must hold folders (one a class) with files {self.pattern}, but there are none; "
                "other names? dataset.pattern='*'"
            )
        return files
