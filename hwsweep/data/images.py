"""Real images: an .npz file, or a folder or zip of image files."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.download import download
from hwsweep.data.folder_cache import decoded_images
from hwsweep.data.image_files import image_files
from hwsweep.data.locations import Stock, located, missing
from hwsweep.data.splitting import check_share, partition


class NpzImages:
    """Grey images and labels of one .npz file: `image` uint8 (n, size, size), `label` 0..n_classes-1 (n,)."""

    def __init__(
        self,
        name: str,
        source: str,
        checksum: str,
        path: str,
        size: int,
        n_classes: int,
        valid: int | float,
        test: int | float,
    ) -> None:
        check_share("valid", valid)
        check_share("test", test)
        self.name, self.source, self.checksum, self.where = name, source, checksum, located(path)
        self.size, self.n_classes, self.valid, self.test = size, n_classes, valid, test
        self.way_to_get = f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        """Shape of one image: (1, size, size)."""
        return {"image": (1, self.size, self.size)}

    def splits(self, seed: int) -> Splits:
        """A random partition, the same for the same seed; `image` and `label`."""
        images, labels = self._read()
        return partition(images[:, None], labels, self.valid, self.test, seed)

    def stock(self) -> Stock | None:
        """Count from the labels alone; None without the file."""
        if not self.where.exists():
            return None
        return Stock(len(self._arrays(("label",))[0]), self.where.stat().st_size)

    def fetch(self) -> None:
        """Download the file and verify its checksum."""
        download(self.source, self.where, self.checksum)

    def _arrays(self, keys: tuple[str, ...]) -> list[np.ndarray[Any, Any]]:
        if not self.where.exists():
            raise missing(self.name, self.where, self.way_to_get)
        try:
            # opened here, because NumPy forgets to close what it cannot read
            with self.where.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if absent := [key for key in keys if key not in file]:
                    raise ValueError(f"no array `{absent[0]}`; there are: {', '.join(file) or 'none'}")
                return [file[key] for key in keys]
        except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(self._wrong(f"cannot be read as .npz: {error}")) from error

    def _read(self) -> tuple[UInt8[np.ndarray, "n h w"], Int64[np.ndarray, " n"]]:
        images, labels = self._arrays(("image", "label"))
        if images.dtype != np.uint8 or images.shape[1:] != (self.size, self.size) or not len(images):
            raise DataError(
                self._wrong(f"`image` must be uint8 (n, {self.size}, {self.size}), is {images.dtype} {images.shape}")
            )
        if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
            raise DataError(
                self._wrong(f"`label` must be whole numbers ({len(images)},), is {labels.dtype} {labels.shape}")
            )
        if images.max() <= 1:
            raise DataError(self._wrong(f"`image` must span 0..255, but its greatest value is {images.max()}"))
        if labels.min() < 0 or labels.max() >= self.n_classes:
            raise DataError(
                self._wrong(f"`label` must lie in 0..{self.n_classes - 1}, is {labels.min()}..{labels.max()}")
            )
        return images, labels.astype(np.int64)

    def _wrong(self, what: str) -> str:
        return f"{self.where}: {what}. Put a right file there, or remove it and run: {self.way_to_get}"


class FolderImages:
    """Images of a folder (and the folders below) or zip, centre-cropped to a square and resized; no labels."""

    def __init__(
        self,
        name: str,
        source: str,
        path: str,
        size: int,
        channels: int,
        broken_images: str,
        valid: int | float,
        test: int | float,
    ) -> None:
        check_share("valid", valid)
        check_share("test", test)
        if channels not in (1, 3):
            raise ValueError(f"`dataset.channels` must be 1 (grey) or 3 (RGB), but got {channels}")
        if size < 1:
            raise ValueError(f"`dataset.size` must be at least 1 pixel, but got {size}")
        if broken_images not in ("skip", "refuse"):
            raise ValueError(f"`dataset.broken_images` must be skip or refuse, but got {broken_images}")
        self.name, self.source, self.where = name, source, located(path)
        self.size, self.channels, self.broken_images = size, channels, broken_images
        self.valid, self.test = valid, test
        self.way_to_get = (
            f"put the images of {source} into {self.where}, or name your folder or zip: dataset.path=/path/archive.zip"
        )

    @property
    def shapes(self) -> Shapes:
        """Shape of one image: (channels, size, size)."""
        return {"image": (self.channels, self.size, self.size)}

    def splits(self, seed: int) -> Splits:
        """A random partition, the same for the same seed; `image` only."""
        if not self.where.exists():
            raise missing(self.name, self.where, self.way_to_get)
        images = decoded_images(self.where, self.size, self.channels, self.broken_images)
        return partition(images, None, self.valid, self.test, seed)

    def stock(self) -> Stock | None:
        """Count from the list of files, broken ones included; None without the folder."""
        if not self.where.exists():
            return None
        files = image_files(self.where)
        return Stock(len(files), sum(file.n_bytes for file in files))

    def fetch(self) -> None:
        """Refuse, and tell what to put where: upstream asks for a login, or the images are the user's own."""
        raise DataError(f"`{self.name}` cannot be fetched without you: {self.way_to_get}")
