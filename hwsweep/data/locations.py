"""Where data lies: HWSWEEP_DATA, or a cache folder of the user's; and what a data set kept there can tell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, Protocol

from hwsweep.data import DataError, Dataset

VARIABLE = "$HWSWEEP_DATA"
EMBEDDED = (
    "the embedded data sets need no download: python -m hwsweep dataset=tibetan_strokes, "
    "or model=transformer dataset=headlines"
)


def data_home() -> Path:
    """The folder that holds data sets: HWSWEEP_DATA, or else `hwsweep/data` in the user's cache folder."""
    if named := os.environ.get("HWSWEEP_DATA"):
        return Path(named).expanduser().absolute()
    return _user_cache() / "data"


def decoded_home() -> Path:
    """The folder that holds decoded images. Never under HWSWEEP_DATA, which may be shared and read-only."""
    return _user_cache() / "decoded"


def tokens_home() -> Path:
    """The folder that holds the tokens of texts, a folder per collection and tokenizer."""
    return _user_cache() / "tokens"


def feature_home() -> Path:
    """The folder that holds the networks in whose features samples are compared, a file per data set."""
    return _user_cache() / "features"


def spectrum_home() -> Path:
    """The folder that holds the spectra of data sets, which tell what a linear VAE would do."""
    return _user_cache() / "spectra"


def baseline_home() -> Path:
    """The folder that holds what the baselines of classifiers predict, a file per data set and baseline."""
    return _user_cache() / "baselines"


def vectors_home() -> Path:
    """The folder that holds the vectors of vocabularies' words."""
    return _user_cache() / "vectors"


def located(path: str) -> Path:
    """The absolute path of a conf entry; a leading $HWSWEEP_DATA stands for `data_home()`."""
    first, *rest = Path(path).parts or (".",)
    if first == VARIABLE:
        return data_home().joinpath(*rest)
    return Path(path).expanduser().absolute()


def _user_cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("hwsweep", appauthor=False)


class Stock(NamedTuple):
    """What lies on disk, counted without decoding it."""

    n_examples: int | None
    """None: counting takes as long as reading."""
    n_bytes: int


class Kept(Protocol):
    """What is kept in files (its YAML has a `path`), which `python -m hwsweep.data` lists and fetches."""

    @property
    def where(self) -> Path:
        """The file or folder that is read."""
        ...

    way_to_get: str
    """One line for somebody who has no data yet: a command, or which file to put where."""

    def stock(self) -> Stock | None:
        """What lies at `where`; None if nothing does.

        Raises:
            DataError: something is there, but it cannot be read.
        """
        ...

    def fetch(self) -> None:
        """Put the data at `where`.

        Raises:
            DataError: no network, no space, wrong checksum, or upstream asks for a login.
        """
        ...


class Stored(Dataset, Kept, Protocol):
    """A data set kept in files."""


def missing(name: str, where: Path, way_to_get: str) -> DataError:
    """The error of a data set whose files are not there."""
    return DataError(f"`{name}` is not there: no {where}. To get it: {way_to_get}. Or {EMBEDDED}")
