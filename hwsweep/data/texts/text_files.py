"""Texts in files: a table (CSV), or a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.data_files import (
    Inventory,
    absolute_path,
    files_below,
    not_downloadable,
    report_left_out,
    require,
    split_folders,
)
from hwsweep.data.download import download
from hwsweep.data.splitting import check_share
from hwsweep.data.texts.text_reading import DELIMITERS, LabelledText, check_encoding, read_table, read_texts
from hwsweep.data.texts.text_splits import check_labels, deduplicate_and_encode, draw_splits
from hwsweep.data.texts.tokenizers import Tokenizer
from hwsweep.data.texts.tokens import TextPlan


class CsvTexts:
    """Texts and labels of one table, or of two: the second one is the test split.

    Args:
        checksums: of the files at `source`, by name (see `download`); None for the user's own files.
        encoding: of both tables; None to recognise it (see `read_texts`).
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
        encoding: str | None,
        header: bool,
        delimiter: str,
        text: Sequence[str | int],
        label: str | int,
        classes: Mapping[object, str] | None,
        replace: Mapping[object, str],
        valid: int | float,
        test: int | float | None,
        tokenizer: Tokenizer,
        plan: TextPlan,
    ) -> None:
        check_share("valid", valid)
        _check_test(test, test_path)
        check_encoding(encoding)
        if isinstance(text, str) or not isinstance(text, Sequence) or not text:
            raise ValueError(f"`dataset.text` must be a list of columns, such as [title,text], but got {text!r}")
        character = DELIMITERS.get(delimiter, delimiter)
        if not isinstance(character, str) or len(character) != 1:
            raise ValueError(f"`dataset.delimiter` must be one character, or tab, but got {delimiter!r}")
        self.name, self.source, self.checksums, self.path = name, source, checksums, absolute_path(path)
        self.test_path = None if test_path is None else absolute_path(test_path)
        self.encoding, self.header, self.delimiter = encoding, header, character
        self.text, self.label = [str(column) for column in text], str(label)
        self.classes, self.replace = _class_names(classes), _texts_by_text("replace", replace)
        self.valid, self.test = valid, test
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
        paths = [path for path in (self.path, self.test_path) if path is not None]
        for path in paths:
            require(path, self)
        contents = read_texts(paths, self.encoding)
        texts, *test_texts = (
            read_table(path, content, self.delimiter, self.header, self.text, self.label)
            for path, content in zip(paths, contents, strict=True)
        )
        check_labels([*texts, *(test_texts[0] if test_texts else ())], self.classes or {text.label for text in texts})
        return texts, test_texts[0] if test_texts else None


class FolderTexts:
    """Texts of a folder with one folder for each class, and there one file for each text.

    Args:
        test_path: a second folder of the same kind: the test split.
        encoding: of all files; None to recognise it (see `read_texts`).
        pattern: names of the files.
        classes: names of the classes by folder, in order; other folders are left out. None to use all folders.
        replace: new strings by old ones, for all texts.
    """

    def __init__(
        self,
        name: str,
        source: str,
        path: str,
        test_path: str | None,
        encoding: str | None,
        pattern: str,
        classes: Mapping[object, str] | None,
        replace: Mapping[object, str],
        valid: int | float,
        test: int | float | None,
        tokenizer: Tokenizer,
        plan: TextPlan,
    ) -> None:
        check_share("valid", valid)
        _check_test(test, test_path)
        check_encoding(encoding)
        self.name, self.source, self.path, self.pattern = name, source, absolute_path(path), pattern
        self.test_path = None if test_path is None else absolute_path(test_path)
        self.encoding, self.classes, self.replace = encoding, _class_names(classes), _texts_by_text("replace", replace)
        self.valid, self.test = valid, test
        self.tokenizer, self.plan = tokenizer, plan
        self.instructions = f"name your folder: dataset={name} dataset.path=/path/of/folder"

    @property
    def shapes(self) -> Shapes:
        return {"token": (1,), "word": (2,), "class": (2,)}

    def splits(self, seed: int) -> Splits:
        files = self._files(self.path)
        test_files = [] if self.test_path is None else self._files(self.test_path)
        contents = read_texts([file for file, _ in [*files, *test_files]], self.encoding)
        texts = [
            LabelledText(str(file), content, label)
            for (file, label), content in zip([*files, *test_files], contents, strict=True)
        ]
        classes = self.classes or {label: label for label in sorted({label for _, label in files})}
        check_labels(texts, classes)
        test_texts = None if self.test_path is None else texts[len(files) :]
        drawn = draw_splits(texts[: len(files)], test_texts, self.valid, self.test or 0, seed)
        return deduplicate_and_encode(drawn, classes, self.replace, self.tokenizer, self.plan)

    def inventory(self) -> Inventory:
        files = [file for path in (self.path, self.test_path) if path is not None for file, _ in self._files(path)]
        return Inventory(len(files), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        raise not_downloadable(self.name, self.instructions)

    def _files(self, path: Path) -> list[tuple[Path, str]]:
        """The files of all classes with the names of their folders, sorted by name."""
        require(path, self)
        found = [(Path(name), Path(name).relative_to(path).parts) for name in files_below(str(path))]
        _check_no_splits(path, [parts for _, parts in found])
        used = [
            (file, parts[0])
            for file, parts in found
            if len(parts) > 1 and (self.classes is None or parts[0] in self.classes)
        ]
        files = [(file, label) for file, label in used if file.match(self.pattern)]
        if not files:
            raise DataError(
                f"{path} must hold folders (one for each class) with files {self.pattern}, but there are none. "
                "Name the files, such as dataset.pattern='*'"
            )
        others = [str(file) for file, _ in used if not file.match(self.pattern)]
        report_left_out(path, others, f"{self.pattern} (dataset.pattern)")
        return files


def _check_no_splits(path: Path, files: Sequence[tuple[str, ...]]) -> None:
    """Check that the folders at `path` are classes and not splits.

    Args:
        files: parts of their names, relative to `path`.

    Raises:
        DataError: they are train and test or the like, with folders in them.
    """
    if splits := split_folders({parts[0] for parts in files if len(parts) > 2}):
        raise DataError(
            f"{path} must hold one folder for each class, but it holds splits, with the classes in them: set "
            f"dataset.path={path / splits[0]} dataset.test_path={path / splits[1]} dataset.test=null"
        )


def _check_test(test: int | float | None, test_path: str | None) -> None:
    """Check that the test split has one origin.

    Raises:
        ValueError: it has none, or two.
    """
    if (test is None) == (test_path is None):
        raise ValueError(f"either `dataset.test` or `dataset.test_path` must be null, but got {test}, {test_path}")
    if test is not None:
        check_share("test", test)


def _class_names(classes: Mapping[object, str] | None) -> dict[str, str] | None:
    """Names of the classes by label. Labels in files are text, but YAML reads 0 as a number."""
    if classes is None:
        return None
    names = _texts_by_text("classes", classes)
    if len(names) < 2:
        raise ValueError(f"`dataset.classes` must be null or name at least two classes, but got {names}")
    return names


def _texts_by_text(key: str, values: Mapping[object, object]) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise ValueError(f"`dataset.{key}` must be a mapping, such as {{'0': bad, '1': good}}, but got {values!r}")
    for old, new in values.items():
        if any(value is None or isinstance(value, bool) for value in (old, new)):
            raise ValueError(
                f"`dataset.{key}` must map text to text, but got {old!r}: {new!r}. YAML reads yes, no, true, false and "
                "null as other values: write them in quotes"
            )
    return {str(old): str(new) for old, new in values.items()}
