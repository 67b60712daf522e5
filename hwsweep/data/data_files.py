"""Data in files: where it lies, how much there is and how to get it; and the cache of what is computed from it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple, Protocol

from hwsweep import files
from hwsweep.data import DataError, Dataset

log = logging.getLogger(__name__)

VARIABLE = "$HWSWEEP_DATA"
EMBEDDED = (
    "use a data set that needs no download: python -m hwsweep dataset=tibetan_strokes, "
    "or model=transformer dataset=headlines"
)

SYSTEM_NAMES = (
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("@eadir", "lost+found"),
)
"""Files and folders of operating systems and storage devices that do not begin with a dot, in lower case."""


class MissingDataError(DataError):
    """Files of a data set are missing."""


class Inventory(NamedTuple):
    """How much data there is, counted without decoding it."""

    n_examples: int | None
    """None if counting takes as long as reading everything."""
    n_bytes: int


class DataFiles(Protocol):
    """Data in files (its YAML has a `path`). `python -m hwsweep.data` lists and fetches it."""

    name: str
    """Short name, as in conf."""
    instructions: str
    """How to get the data, in one line: a command, or which file to put where."""

    @property
    def path(self) -> Path:
        """The file or folder that is read."""
        ...

    def inventory(self) -> Inventory:
        """How much data there is.

        Raises:
            MissingDataError: files are missing.
            DataError: the files exist, but cannot be read.
        """
        ...

    def fetch(self) -> None:
        """Download the data to `path`.

        Raises:
            DataError: no network, no space, wrong checksum, or only the user can get the data.
        """
        ...


class DatasetInFiles(Dataset, DataFiles, Protocol):
    """A data set in files."""


def data_folder() -> Path:
    """The folder of all data sets: HWSWEEP_DATA, or else `data` in the user's cache folder."""
    if folder := os.environ.get("HWSWEEP_DATA"):
        return Path(folder).expanduser().absolute()
    return files.cache_folder("data")


def absolute_path(path: str) -> Path:
    """The absolute path of a conf entry; a leading $HWSWEEP_DATA stands for `data_folder()`."""
    first, *rest = Path(path).parts or (".",)
    if first == VARIABLE:
        return data_folder().joinpath(*rest)
    return Path(path).expanduser().absolute()


def require(path: Path, data: DataFiles) -> None:
    """Check that a file or folder of `data` exists.

    Raises:
        MissingDataError: it does not exist; the message says how to get it.
    """
    if not path.exists():
        raise MissingDataError(f"`{data.name}` is missing: no {path}. To get it: {data.instructions}. Or {EMBEDDED}")


def not_downloadable(name: str, instructions: str) -> DataError:
    """The error for data that only the user can get."""
    return DataError(f"`{name}` cannot be downloaded automatically: {instructions}")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name belongs to an operating system or a program, and not to a data set."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def files_below(folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """All files in the folder and the folders below it, sorted by name.

    Links are followed; a link to nothing is a file, too. Hidden names, pipes, sockets and devices are skipped.

    Args:
        above: device and inode of the folders above: a link to one of them would have no end.

    Raises:
        DataError: a folder cannot be read.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116 (a Path for each of many files would cost more than the listing)
        with os.scandir(folder) as opened:
            entries = sorted(opened, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    if (identity := (status.st_dev, status.st_ino)) in above:
        return
    for entry in entries:
        if is_hidden(entry.name):
            continue
        if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112
            yield from files_below(entry.path, above | {identity})
        elif _is_file_or_broken_link(entry):
            yield entry.path


def _is_file_or_broken_link(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)  # noqa: PTH113, PTH110
    return entry.is_file()


def split_folders(folders: Iterable[str]) -> list[str]:
    """Of these names of folders, those of splits, train first; none if there is no train or no other split."""
    order = ("train", "training", "test", "testing", "valid", "validation", "val", "dev")
    splits = sorted((name for name in folders if name.lower() in order), key=lambda name: order.index(name.lower()))
    return splits if len(splits) > 1 and splits[0].lower().startswith("train") else []


def report_left_out(source: Path, names: Sequence[str], wanted: str) -> None:
    """Say how many files of a data set are left out for their names, by ending; nothing if there are none."""
    if names:
        log.warning("left out in %s: %s; only %s are read", source, endings(names), wanted)


def endings(names: Sequence[str]) -> str:
    """The number of files with each ending, as text; the five most frequent ones."""
    counts = Counter(PurePath(name).suffix or "no ending" for name in names)
    return ", ".join(f"{n} {ending}" for ending, n in counts.most_common(5))


def load_or_make(
    folder: str, key: bytes, suffix: str, make: Callable[[Path], None], load: Callable[[Path], files.Content]
) -> files.Content:
    """Content of a file or folder in the user's cache. The first process that asks makes it, others wait for it.

    Args:
        folder: name of the folder in the cache.
        key: everything that the content depends on; its hash names the file.
        make: writes the content to the path that it is given.

    Raises:
        DataError: the cache cannot be written or read.
    """
    path = files.cache_folder(folder) / f"{hashlib.sha256(key).hexdigest()[:32]}{suffix}"
    try:
        return files.load_or_make(path, make, load)
    except OSError as error:
        raise DataError(
            f"the cache must be writable, but {path} is not: {error.strerror or error}. "
            "Make room there, or let XDG_CACHE_HOME name another folder"
        ) from error
