"""Real images: an .npz file, or a folder or zip of image files."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from hwsweep.argument_checks import check_count
from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.binarisation import binarised, check_binarisation
from hwsweep.data.data_files import Inventory, absolute_path, not_downloadable, require
from hwsweep.data.download import download
from hwsweep.data.image_cache import cached_images
from hwsweep.data.image_files import image_files
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
        binarise: str,
    ) -> None:
        check_count("dataset.size", size, unit="pixels")
        check_count("dataset.n_classes", n_classes, unit="classes")
        check_share("valid", valid)
        check_share("test", test)
        check_binarisation(binarise)
        self.name, self.source, self.checksum, self.path = name, source, checksum, absolute_path(path)
        self.size, self.n_classes, self.valid, self.test, self.binarise = size, n_classes, valid, test, binarise
        self.instructions = f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        return {"image": (1, self.size, self.size)}

    def splits(self, seed: int) -> Splits:
        images, labels = self._read()
        return binarised(partition(images[:, None], labels, self.valid, self.test, seed), self.binarise, seed)

    def inventory(self) -> Inventory:
        return Inventory(len(self._arrays(("label",))[0]), self.path.stat().st_size)

    def fetch(self) -> None:
        download(self.source, self.path, self.checksum)

    def _arrays(self, keys: tuple[str, ...]) -> list[np.ndarray[Any, Any]]:
        require(self.path, self)
        try:
            # opened here, because NumPy does not close a file that it cannot read
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if absent := [key for key in keys if key not in file]:
                    raise ValueError(f"no array `{absent[0]}`; there are: {', '.join(file) or 'none'}")
                return [file[key] for key in keys]
        except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._error(f"cannot be read as .npz: {error}") from error

    def _read(self) -> tuple[UInt8[np.ndarray, "n h w"], Int64[np.ndarray, " n"]]:
        images, labels = self._arrays(("image", "label"))
        n, size = len(images), self.size
        if images.dtype != np.uint8 or images.shape[1:] != (size, size) or not n:
            raise self._error(f"`image` must be uint8 (n, {size}, {size}), but is {images.dtype} {images.shape}")
        if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (n,):
            raise self._error(f"`label` must be whole numbers ({n},), but is {labels.dtype} {labels.shape}")
        if images.max() <= 1:
            raise self._error(f"`image` must span 0..255, but its greatest value is {images.max()}")
        if labels.min() < 0 or labels.max() >= self.n_classes:
            raise self._error(f"`label` must lie in 0..{self.n_classes - 1}, but is {labels.min()}..{labels.max()}")
        return images, labels.astype(np.int64)

    def _error(self, problem: str) -> DataError:
        return DataError(f"{self.path}: {problem}. Replace the file, or remove it and run: {self.instructions}")


class FolderImages:
    """Images of a folder (and the folders below) or zip, centre-cropped to a square and resized; no labels."""

    def __init__(
        self,
        name: str,
        source: str,
        path: str,
        size: int,
        channels: int,
        background: str,
        broken_images: str,
        valid: int | float,
        test: int | float,
        binarise: str,
    ) -> None:
        check_share("valid", valid)
        check_share("test", test)
        check_binarisation(binarise)
        check_count("dataset.size", size, unit="pixels")
        if type(channels) is not int or channels not in (1, 3):
            raise ValueError(f"`dataset.channels` must be 1 (grey) or 3 (RGB), but got {channels}")
        _check_colour(background)
        if broken_images not in ("skip", "refuse"):
            raise ValueError(f"`dataset.broken_images` must be skip or refuse, but got {broken_images}")
        self.name, self.source, self.path = name, source, absolute_path(path)
        self.size, self.channels, self.background, self.broken_images = size, channels, background, broken_images
        self.valid, self.test, self.binarise = valid, test, binarise
        self.instructions = (
            f"put the images of {source} into {self.path}, or name your folder or zip: dataset.path=/path/archive.zip"
        )

    @property
    def shapes(self) -> Shapes:
        return {"image": (self.channels, self.size, self.size)}

    def splits(self, seed: int) -> Splits:
        require(self.path, self)
        images = cached_images(self.path, self.size, self.channels, self.background, self.broken_images)
        return binarised(partition(images, None, self.valid, self.test, seed), self.binarise, seed)

    def inventory(self) -> Inventory:
        require(self.path, self)
        files = image_files(self.path)
        return Inventory(len(files), sum(file.n_bytes for file in files))

    def fetch(self) -> None:
        raise not_downloadable(self.name, self.instructions)


def _check_colour(background: object) -> None:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(str(background))
    except ValueError:
        raise ValueError(
            f"`dataset.background` must be a colour, such as white, black or '#ffcc00', but got {background!r}"
        ) from None
