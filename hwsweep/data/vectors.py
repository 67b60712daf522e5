"""Word vectors that others have trained: GloVe, or any file of that format."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import ssl
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock
from jaxtyping import Bool, Float32

from hwsweep.data import DataError
from hwsweep.data.download import download
from hwsweep.data.locations import Stock, located, vectors_home
from hwsweep.data.progress import progress

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # part of the cache's key: raise it when the same file would give other rows
LINES_PER_REPORT = 1000


class WordVectors:
    """Vectors of `dim` numbers for words: a line each, the word and its numbers, separated by single spaces.

    Args:
        source: address of a zip archive whose members are called <archive>.<dim>d.txt.
        path: the archive, such a member (.txt or .txt.gz), or the folder that holds one of them.
    """

    def __init__(self, name: str, path: str, source: str, checksum: str, dim: int) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 3:
            raise ValueError(f"`dim` of word vectors must be a whole number, at least 3, but got {dim!r}")
        self.name, self.source, self.checksum, self.dim = name, source, checksum, dim
        self.archive = PurePosixPath(urlsplit(source).path).name
        self.member = f"{self.archive.removesuffix('.zip')}.{dim}d.txt"
        self.root = located(path)
        self.way_to_get = f"python -m hwsweep.data fetch {name}"

    @property
    def where(self) -> Path:
        """The file that is read: the smallest that holds the vectors; or where the archive will be put."""
        if self.root.suffix in (".txt", ".gz", ".zip"):
            return self.root
        files = [self.root / name for name in (self.member, f"{self.member}.gz", self.archive)]
        return next((file for file in files if file.exists()), files[-1])

    def rows(self, words: Sequence[str]) -> tuple[Float32[Tensor, "n dim"], Bool[Tensor, " n"]]:
        """The vector of each word (zero if there is none), and whether there is one.

        A word that is not there as it is written has the vector of its lower-case form. Of a word that has several
        lines, the first counts. Read at the first call, kept in the user's cache for the next.

        Raises:
            DataError: the file is not there, is damaged, or has vectors of another length.
        """
        import torch

        target = vectors_home() / f"{self._key(words)}.npy"
        try:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{target}.lock"):
                    if not target.exists():  # another process was faster
                        _save(self._read(words), target)
            kept = torch.from_numpy(np.load(target, allow_pickle=False))
        except OSError as error:
            raise DataError(f"cannot keep word vectors at {target}: {error.strerror or error}") from error
        return kept.nan_to_num(), ~kept[:, 0].isnan()

    def check(self) -> int:
        """Read everything; the number of words.

        Raises:
            DataError: see `rows`.
        """
        return sum(1 for _ in self._lines())

    def stock(self) -> Stock | None:
        """Bytes; words are not counted, for that takes reading all of it. None without a file."""
        return Stock(None, self.where.stat().st_size) if self.where.exists() else None

    def fetch(self) -> None:
        """Download the archive and verify its checksum."""
        download(self.source, self.where, self.checksum)

    def _missing(self) -> DataError:
        """What to do; `fetch` is no way out where vectors of another length lie, for it takes them for enough."""
        stem = f"{self.archive.removesuffix('.zip')}."
        there = sorted({file.name.removeprefix(stem).partition("d")[0] for file in self.root.glob(f"{stem}*d.txt*")})
        other = f"set embedding.dim to what is there ({', '.join(there)}), or put {self.source} into {self.root}"
        lacking = f"`{self.name}` of {self.dim} values is not there: no {self.where}"
        return DataError(f"{lacking}. To get it: {other if there else self.way_to_get}. Or do without: embedding=none")

    def _key(self, words: Sequence[str]) -> str:
        """Changes with the file, what is read of it, and the words."""
        if not self.where.exists():
            raise self._missing()
        status = self.where.stat()
        settings = [FORMAT, self.where, self.member, status.st_size, status.st_mtime_ns]
        return hashlib.sha256(repr([*map(str, settings), *words]).encode()).hexdigest()[:32]

    def _read(self, words: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
        """The vector of each word; not-a-number if there is none. Only lines of these words are kept in memory."""
        wanted = {form.encode() for word in words for form in (word, word.lower())}
        lines: dict[bytes, bytes] = {}
        for word, line in self._lines():
            if word in wanted:
                lines.setdefault(word, line)
        if not lines:
            return np.full((len(words), self.dim), np.nan, np.float32)
        return _vectors(lines.values(), words, self.where)

    def _lines(self) -> Iterator[tuple[bytes, bytes]]:
        """Every word and its whole line, as bytes: decoding is the slow part, and few words are wanted."""
        number = 0
        try:
            with self._opened() as file, progress(f"reading {self.where}", "words", None, 0) as advance:
                for number, line in enumerate(file, 1):
                    line = line.rstrip()
                    if (n_values := line.count(b" ")) != self.dim:
                        raise DataError(
                            f"{self.where}, line {number}: {n_values} values, but `dim` is {self.dim}. Set `dim` to "
                            f"what the file holds, or replace the file: {self.way_to_get}"
                        )
                    if number % LINES_PER_REPORT == 0:
                        advance(LINES_PER_REPORT)
                    yield line.partition(b" ")[0], line
                advance(number % LINES_PER_REPORT)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise DataError(f"{self.where} cannot be read: {error}. Remove it and run: {self.way_to_get}") from error

    @contextmanager
    def _opened(self) -> Iterator[Iterable[bytes]]:
        """The lines, unpacked as it is read."""
        with ExitStack() as stack:
            if self.where.suffix == ".gz":
                yield stack.enter_context(gzip.open(self.where, "rb"))
            elif self.where.suffix == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(self.where))
                if self.member not in archive.namelist():
                    raise DataError(
                        f"{self.where} has no {self.member}; it holds: {', '.join(archive.namelist()[:10])}. Set `dim`"
                    )
                yield stack.enter_context(archive.open(self.member))
            else:
                yield stack.enter_context(self.where.open("rb"))


def _vectors(lines: Iterable[bytes], words: Sequence[str], where: Path) -> Float32[np.ndarray, "n dim"]:
    """What torchtext reads from these lines, row by row for `words`; not-a-number if there is no vector."""
    with tempfile.TemporaryDirectory() as folder, _quiet_torchtext():
        from torchtext.vocab import Vectors

        (Path(folder) / "vectors.txt").write_bytes(b"\n".join(lines) + b"\n")
        try:
            read = Vectors("vectors.txt", cache=folder, unk_init=lambda row: row.fill_(np.nan))
        except (ValueError, RuntimeError) as error:
            raise DataError(f"{where}: {error}. Every line must hold a word and its numbers") from error
    if not read.vectors.isfinite().all():
        word = read.itos[int(read.vectors.isfinite().all(1).int().argmin())]
        raise DataError(f"{where}: the vector of `{word}` is not finite. Correct or remove its line")
    found: Float32[np.ndarray, "n dim"] = read.get_vecs_by_tokens(list(words), lower_case_backup=True).numpy()
    return found


@contextmanager
def _quiet_torchtext() -> Iterator[None]:
    """Without its bar and its log; and put back the check of web certificates, which it turns off for the process."""
    create_context, log = ssl._create_default_https_context, logging.getLogger("torchtext.vocab")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        ssl._create_default_https_context = create_context
        log.setLevel(level)


def _save(rows: Float32[np.ndarray, "n dim"], target: Path) -> None:
    part = target.with_suffix(".part")
    try:
        with part.open("wb") as out:
            np.save(out, rows, allow_pickle=False)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
