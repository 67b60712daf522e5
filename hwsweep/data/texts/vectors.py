"""Pretrained word vectors: GloVe, or any file of that format."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Bool, Float32

from hwsweep.argument_checks import check_count
from hwsweep.data import DataError
from hwsweep.data.data_files import Inventory, MissingDataError, absolute_path, is_hidden, load_or_make
from hwsweep.data.download import download
from hwsweep.data.progress_bar import progress_bar

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # part of the cache's key: raise it when the same file gives other rows
LINES_PER_REPORT = 1000


class WordVectors:
    """Vectors of `dim` numbers for words, one per line: the word and its numbers, separated by single spaces.

    A word may have spaces. The first line may be that of word2vec and fastText: the numbers of words and of values.
    Blank lines are skipped.

    Args:
        source: address of a zip archive whose members are called <archive>.<dim>d.txt.
        path: a text file of any name, or packed (.gz, or a .zip with one member or one that is called so); or a folder
            with the archive or a member of it (.txt or .txt.gz).
    """

    def __init__(self, name: str, path: str, source: str, checksum: str, dim: int) -> None:
        check_count("dim", dim, least=3, unit="values in a word vector")
        self.name, self.source, self.checksum, self.dim = name, source, checksum, dim
        self.archive = PurePosixPath(urlsplit(source).path).name
        self.stem = self.archive.removesuffix(".zip")
        self.member = f"{self.stem}.{dim}d.txt"
        self.root = absolute_path(path)
        self.instructions = f"python -m hwsweep.data fetch {name}"

    @property
    def path(self) -> Path:
        """The smallest file that holds the vectors; if there is none, the archive to download."""
        if self.root.is_file() or self.root.suffix in (".txt", ".vec", ".gz", ".zip"):
            return self.root
        files = [self.root / name for name in (self.member, f"{self.member}.gz", self.archive)]
        return next((file for file in files if file.exists()), files[-1])

    def rows(self, words: Sequence[str]) -> tuple[Float32[Tensor, "n dim"], Bool[Tensor, " n"]]:
        """The vector of each word (zero if there is none), and whether there is one.

        A word without a line has the vector of its lower-case form. If a word has several lines, the first one counts.
        The first call reads the file, later calls read the user's cache.

        Raises:
            DataError: the file is missing, damaged, or has vectors of another length; or the cache cannot be written.
        """
        import torch

        self._require()
        status = self.path.stat()
        settings = [FORMAT, self.path, self.member, status.st_size, status.st_mtime_ns]
        key = repr([*map(str, settings), *words]).encode()

        def make(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, self._read(words), allow_pickle=False)

        rows = torch.from_numpy(load_or_make("vectors", key, ".npy", make, partial(np.load, allow_pickle=False)))
        return rows.nan_to_num(), ~rows[:, 0].isnan()

    def check(self) -> int:
        """The number of words, after reading every line.

        Raises:
            DataError: see `rows`.
        """
        return sum(1 for _ in self._lines())

    def inventory(self) -> Inventory:
        self._require()
        return Inventory(None, self.path.stat().st_size)

    def fetch(self) -> None:
        download(self.source, self.path, self.checksum)

    def _require(self) -> None:
        """Check that the file exists. `fetch` is no way out if there are vectors of another length."""
        if self.path.exists():
            return
        files = self.root.glob(f"{self.stem}.*d.txt*")
        lengths = sorted({file.name.removeprefix(f"{self.stem}.").partition("d")[0] for file in files})
        other = f"set embedding.dim to {' or '.join(lengths)}, or put {self.source} into {self.root}"
        raise MissingDataError(
            f"`{self.name}` with vectors of {self.dim} values is missing: no {self.path}. "
            f"To get it: {other if lengths else self.instructions}. Or train without: embedding=none"
        )

    def _read(self, words: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
        """The vector of each word; NaN if there is none. Only the vectors of these words are kept in memory."""
        forms = {form.encode() for word in words for form in (word, word.lower())}
        vectors: dict[bytes, Float32[np.ndarray, " dim"]] = {}
        for number, (word, line) in enumerate(self._lines(), 1):
            if word in forms and word not in vectors:
                vectors[word] = self._vector(number, line)
        absent = np.full(self.dim, np.nan, np.float32)
        rows = [vectors.get(word.encode(), vectors.get(word.lower().encode(), absent)) for word in words]
        return np.stack(rows)

    def _vector(self, number: int, line: bytes) -> Float32[np.ndarray, " dim"]:
        try:
            vector = np.array([float(value) for value in line.rsplit(b" ", self.dim)[1:]], np.float32)
        except ValueError:
            vector = np.full(self.dim, np.nan, np.float32)
        if not np.isfinite(vector).all():
            raise DataError(
                f"{self.path}, line {number}: a word and {self.dim} finite numbers must follow, but the line is "
                f"{line[:60].decode(errors='replace')!r}. Correct or remove it"
            )
        return vector

    def _lines(self) -> Iterator[tuple[bytes, bytes]]:
        """Every word and its whole line, as bytes: decoding is slow, and only few words are needed."""
        number = n_words = 0
        try:
            with self._open() as file, progress_bar(f"reading {self.path}", "words", None, 0) as advance:
                for number, line in enumerate(file, 1):
                    line = line.rstrip().removeprefix(b"\xef\xbb\xbf" if number == 1 else b"")
                    if (number == 1 and _is_header(line)) or not line:
                        continue
                    n_values = line.count(b" ")
                    # a first line that is too long has longer vectors; in a later one the word has spaces
                    if n_values < self.dim or (n_values > self.dim and n_words == 0):
                        raise DataError(
                            f"{self.path}, line {number}: {n_values} values, but `dim` is {self.dim}. Set `dim` to "
                            f"the length of the vectors, separate values by single spaces, or replace the file: "
                            f"{self.instructions}"
                        )
                    n_words += 1
                    if number % LINES_PER_REPORT == 0:
                        advance(LINES_PER_REPORT)
                    yield line.rsplit(b" ", self.dim)[0] if n_values > self.dim else line.partition(b" ")[0], line
                advance(number % LINES_PER_REPORT)
        except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:  # RuntimeError: encrypted
            raise DataError(f"{self.path} cannot be read: {error}. Remove it and run: {self.instructions}") from error
        if n_words == 0:
            raise DataError(f"{self.path} has no vectors. Replace it: {self.instructions}")

    def _open(self) -> AbstractContextManager[Iterable[bytes]]:
        """The file, unpacked while it is read."""
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rb")
        if self.path.suffix != ".zip":
            return self.path.open("rb")
        with zipfile.ZipFile(self.path) as archive:
            names = [name for name in archive.namelist() if not any(map(is_hidden, PurePosixPath(name).parts))]
            if self.member not in names and len(names) != 1:
                raise DataError(f"{self.path} has no {self.member}; it holds: {', '.join(names[:10])}. Set `dim`")
            return archive.open(self.member if self.member in names else names[0])


def _is_header(line: bytes) -> bool:
    """Whether a first line is two whole numbers."""
    return len(numbers := line.split()) == 2 and all(map(bytes.isdigit, numbers))
