"""Texts in files: a table (CSV), or a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.data_files import Inventory, absolute_path, not_downloadable, require
from hwsweep.data.download import download
from hwsweep.data.splitting import check_share
from hwsweep.data.text_reading import LabelledText, read_table, read_text
from hwsweep.data.text_splits import deduplicate_and_encode, draw_splits

if TYPE_CHECKING:
    from hwsweep.data.tokenizers import Tokenizer
    from hwsweep.data.tokens import TextPlan


class CsvTexts:
    """Texts and labels of one table, or of two: the second one is the test split.

    Args:
        checksums: of the files at `source`, by name (see `download`); None for the user's own files.
        text, label: columns, by the header or, without one, numbered from 1.
        classes: names of the classes by label, in order; None to use the labels, sorted.
        replace: new strings by old ones, for all texts.
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
        self.name, self.source, self.checksums, self.path = name, source, checksums, absolute_path(path)
        self.test_path = None if test_path is None else absolute_path(test_path)
        self.header, self.delimiter = header, delimiter
        self.text, self.label = [str(column) for column in text], str(label)
        self.classes, self.replace, self.valid, self.test = classes, replace, valid, test
        self.tokenizer, self.plan = tokenizer, plan
        by_hand = f"name your table: dataset={name} dataset.path=/path/of/texts.csv"
        self.instructions = by_hand if checksums is None else f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        return {"token": (1,), "word": (2,), "class": (len(self.classes or "01"),)}

    def splits(self, seed: int) -> Splits:
        texts, test_texts = self._read()
        classes = self.classes or {label: label for label in sorted({text.label for text in texts})}
        drawn = draw_splits(texts, test_texts, self.valid, self.test or 0, seed)
        return deduplicate_and_encode(drawn, classes, self.replace, self.tokenizer, self.plan)

    def inventory(self) -> Inventory:
        texts, test_texts = self._read()
        files = filter(None, (self.path, self.test_path))
        return Inventory(len(texts) + len(test_texts or ()), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        if self.checksums is None:
            raise not_downloadable(self.name, self.instructions)
        for name, checksum in self.checksums.items():
            download(f"{self.source}/{name}", self.path.parent / name, checksum)

    def _read(self) -> tuple[list[LabelledText], list[LabelledText] | None]:
        """The texts of the table, and of the test table if there is one; their labels are checked."""
        texts = self._table(self.path)
        test_texts = None if self.test_path is None else self._table(self.test_path)
        known = set(self.classes or {text.label for text in texts})
        for text in [*texts, *(test_texts or ())]:
            if text.label not in known:
                raise DataError(
                    f"{text.origin}: a label must be one of {', '.join(sorted(known)[:20])}, but is "
                    f"{text.label[:40]!r}. Correct the row, or name the class in dataset.classes"
                )
        return texts, test_texts

    def _table(self, path: Path) -> list[LabelledText]:
        require(path, self)
        return read_table(path, self.delimiter, self.header, self.text, self.label)


class FolderTexts:
    """Texts of a folder with one folder for each class, and there one file for each text."""

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
        self.name, self.source, self.path, self.pattern = name, source, absolute_path(path), pattern
        self.replace, self.valid, self.test = replace, valid, test
        self.tokenizer, self.plan = tokenizer, plan
        self.instructions = f"name your folder: dataset={name} dataset.path=/path/of/folder"

    @property
    def shapes(self) -> Shapes:
        return {"token": (1,), "word": (2,), "class": (2,)}

    def splits(self, seed: int) -> Splits:
        files = self._files()
        texts = [LabelledText(str(file), read_text(file), file.relative_to(self.path).parts[0]) for file in files]
        classes = {label: label for label in sorted({text.label for text in texts})}
        drawn = draw_splits(texts, None, self.valid, self.test, seed)
        return deduplicate_and_encode(drawn, classes, self.replace, self.tokenizer, self.plan)

    def inventory(self) -> Inventory:
        files = self._files()
        return Inventory(len(files), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        raise not_downloadable(self.name, self.instructions)

    def _files(self) -> list[Path]:
        """The files of all classes, sorted by name; hidden folders are skipped."""
        require(self.path, self)
        folders = [folder for folder in sorted(self.path.glob("[!.]*")) if folder.is_dir()]
        files = [file for folder in folders for file in sorted(folder.rglob(self.pattern)) if file.is_file()]
        if not files:
            raise DataError(
                f"{self.path} must hold folders (one for each class) with files {self.pattern}, but there are none. "
                "Name the files, such as dataset.pattern='*'"
            )
        return files
