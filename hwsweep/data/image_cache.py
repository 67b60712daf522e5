"""A folder or zip of images, decoded once into a memory-mapped array."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import UInt8

from hwsweep.data import DataError
from hwsweep.data.data_files import load_or_make
from hwsweep.data.image_files import ImageFile, image_files, image_reader
from hwsweep.data.progress_bar import progress_bar

FORMAT = 2  # part of the key: raise it when the same files would decode to other pixels
FILES_PER_TASK = 32  # a thread that switches after each small image mostly waits for the interpreter lock
MAX_NAMES = 5  # broken images that a message names


class BrokenImage(NamedTuple):
    """An image that cannot be decoded."""

    name: str
    reason: str


def cached_images(
    source: Path, size: int, channels: int, background: str, broken_images: str
) -> UInt8[np.ndarray, "n c h w"]:
    """All images of `source`, 0..255, sorted by name, centre-cropped and resized: a read-only memory map.

    The first call decodes them, later calls map the user's cache. The images are decoded again when one is added,
    removed or renamed, has another size in bytes or a newer modification time, or when a setting differs. A change of
    bytes that leaves size and time the same is not detected. In a zip, checksums replace the times.

    Args:
        size: height and width, in pixels.
        channels: 1 (grey) or 3 (RGB).
        background: colour behind transparent images.
        broken_images: "refuse" raises an error; "skip" leaves them out and warns, once, when decoding.

    Raises:
        DataError: see `image_files`; or broken images, or the cache cannot be written.
    """
    files = image_files(source)
    settings = f"{FORMAT} {size} {channels} {background} {broken_images}"
    key = "\n".join([settings, *map(repr, map(tuple, files))]).encode(errors="surrogateescape")
    return load_or_make(
        "decoded",
        key,
        ".npy",
        lambda path: _decode_all(source, files, path, (channels, size, size), background, broken_images),
        partial(np.load, mmap_mode="r", allow_pickle=False),
    )


def _decode_all(
    source: Path,
    files: Sequence[ImageFile],
    path: Path,
    shape: tuple[int, int, int],
    background: str,
    broken_images: str,
) -> None:
    """Write the decoded images one by one: a full disk is an error here, but kills a process that writes to a map."""
    from PIL import Image

    broken: list[BrokenImage] = []
    with path.open("wb") as out, warnings.catch_warnings():
        # of large images that it decodes all the same; much larger ones are errors, and thus broken images
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        _write_header(out, (len(files), *shape))
        for image in _decoded(source, files, shape, background):
            if isinstance(image, BrokenImage):
                broken.append(image)
            else:
                out.write(image.data)
        out.seek(0)
        _write_header(out, (len(files) - len(broken), *shape))
    if broken:
        _report(source, broken, len(files), broken_images)


def _write_header(out: BinaryIO, shape: tuple[int, ...]) -> None:
    # NumPy pads the header so that the first axis can change without moving the data
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _report(source: Path, broken: Sequence[BrokenImage], n_files: int, broken_images: str) -> None:
    names = "; ".join(f"{name} ({reason})" for name, reason in broken[:MAX_NAMES])
    more = f"; and {len(broken) - MAX_NAMES} more" if len(broken) > MAX_NAMES else ""
    message = f"{len(broken)} of {n_files} images in {source} cannot be decoded: {names}{more}"
    if broken_images == "refuse" or len(broken) == n_files:
        raise DataError(f"{message}. Repair or remove them, or leave them out: dataset.broken_images=skip")
    warnings.warn(f"{message}. They are left out", stacklevel=2)


def _decoded(
    source: Path, files: Sequence[ImageFile], shape: tuple[int, int, int], background: str
) -> Iterator[UInt8[np.ndarray, "c h w"] | BrokenImage]:
    """All images in order, decoded in threads: Pillow releases the interpreter lock while it decodes and resizes."""
    tasks = [[file.name for file in files[i : i + FILES_PER_TASK]] for i in range(0, len(files), FILES_PER_TASK)]
    with (
        image_reader(source) as read,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress_bar(f"decoding {source}", "images", len(files), 0) as advance,
    ):
        for images in pool.map(lambda names: [_decode(name, read, shape, background) for name in names], tasks):
            yield from images
            advance(len(images))


def _decode(
    name: str, read: Callable[[str], BinaryIO], shape: tuple[int, int, int], background: str
) -> UInt8[np.ndarray, "c h w"] | BrokenImage:
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with read(name) as file, Image.open(file) as image:
            if image.mode[0] in "IF":  # conversion to 8 bits would clip nearly every pixel to white
                return BrokenImage(name, f"more than 8 bits a channel, mode {image.mode}")
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                behind = Image.new("RGBA", upright.size, background)
                upright = Image.alpha_composite(behind, upright.convert("RGBA"))
            converted = upright.convert("L" if channels == 1 else "RGB")
            resized = ImageOps.fit(converted, (width, height), Image.Resampling.LANCZOS)
    except UnidentifiedImageError:  # its text holds the address of a Python object
        return BrokenImage(name, "not an image, or of a format that Pillow cannot read")
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError, zipfile.BadZipFile) as error:
        return BrokenImage(name, str(error))  # RuntimeError: an encrypted zip
    pixels = np.asarray(resized, dtype=np.uint8).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
