"""A folder or zip of images, decoded once into a memory-mapped array."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock
from jaxtyping import UInt8

from hwsweep.data import DataError
from hwsweep.data.image_files import ImageFile, image_files, image_reader
from hwsweep.data.locations import decoded_home
from hwsweep.data.progress import progress

FORMAT = 1  # part of the key: raise it when the same files would decode to other pixels
FILES_PER_TASK = 32  # a thread that gives way after each small image spends its time waiting for its turn
NAMED = 5  # broken images spelt out in a message


class Broken(NamedTuple):
    """An image that cannot be decoded."""

    name: str
    reason: str


def decoded_images(source: Path, size: int, channels: int, broken_images: str) -> UInt8[np.ndarray, "n c h w"]:
    """All images of `source`, 0..255, sorted by name, centre-cropped and resized: a read-only memory map.

    Decoded at the first call, mapped from the user's cache at the next. An image that was added, removed,
    renamed, resized in bytes or written again (newer modification time) and another setting are noticed and
    lead to decoding again; bytes changed in place behind an unchanged size and time are not. In a zip, the
    checksums of the members take the place of the times.

    Args:
        size: Height and width, in pixels.
        channels: 1 (grey) or 3 (RGB).
        broken_images: "refuse" raises; "skip" leaves them out and warns, once, when decoding.

    Raises:
        DataError: see `image_files`; or broken images, or no space to write.
    """
    files = image_files(source)
    settings = f"{FORMAT} {size} {channels} {broken_images}"
    key = hashlib.sha256("\n".join([settings, *map(repr, map(tuple, files))]).encode(errors="surrogateescape"))
    target = decoded_home() / f"{key.hexdigest()[:32]}.npy"
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock"):
                if not target.exists():  # another process was faster
                    _decode_all(source, files, target, (channels, size, size), broken_images)
        images: UInt8[np.ndarray, "n c h w"] = np.load(target, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot keep decoded images at {target}: {error.strerror or error}") from error
    return images


def _decode_all(
    source: Path, files: Sequence[ImageFile], target: Path, shape: tuple[int, int, int], broken_images: str
) -> None:
    """Write the decoded images row by row (a memory map would die of a full disk without a word)."""
    part = target.with_suffix(".part")
    broken: list[Broken] = []
    try:
        with part.open("wb") as out:
            _write_header(out, (len(files), *shape))
            for image in _decoded(source, files, shape):
                if isinstance(image, Broken):
                    broken.append(image)
                else:
                    out.write(image.data)
            out.seek(0)
            _write_header(out, (len(files) - len(broken), *shape))
        if broken:
            _report(source, broken, len(files), broken_images)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write_header(out: BinaryIO, shape: tuple[int, ...]) -> None:
    # NumPy pads the header so that the first axis can change without moving the data
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _report(source: Path, broken: Sequence[Broken], n_files: int, broken_images: str) -> None:
    named = "; ".join(f"{name} ({reason})" for name, reason in broken[:NAMED])
    more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    message = f"{len(broken)} of {n_files} images in {source} cannot be decoded: {named}{more}"
    if broken_images == "refuse" or len(broken) == n_files:
        raise DataError(f"{message}. Repair or remove them, or leave them out: dataset.broken_images=skip")
    warnings.warn(f"{message}. They are left out", stacklevel=4)


def _decoded(
    source: Path, files: Sequence[ImageFile], shape: tuple[int, int, int]
) -> Iterator[UInt8[np.ndarray, "c h w"] | Broken]:
    """Decode in threads, in order: Pillow lets go of the interpreter while it decodes and resizes."""
    with image_reader(source) as read:

        def decode_some(names: Sequence[str]) -> list[UInt8[np.ndarray, "c h w"] | Broken]:
            return [_decode(name, read, shape) for name in names]

        tasks = [[file.name for file in files[i : i + FILES_PER_TASK]] for i in range(0, len(files), FILES_PER_TASK)]
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            progress(f"decoding {source}", "images", len(files), 0) as done,
        ):
            for images in pool.map(decode_some, tasks):
                yield from images
                done(len(images))


def _decode(
    name: str, read: Callable[[str], BinaryIO], shape: tuple[int, int, int]
) -> UInt8[np.ndarray, "c h w"] | Broken:
    from PIL import Image, ImageOps

    channels, height, width = shape
    try:
        with read(name) as file, Image.open(file) as image:
            if image.mode[0] in "IF":  # conversion to 8 bits would clip nearly every pixel to white
                return Broken(name, f"more than 8 bits a channel, mode {image.mode}")
            upright = ImageOps.exif_transpose(image)
            coloured = upright.convert("L" if channels == 1 else "RGB")
            fitted = ImageOps.fit(coloured, (width, height), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, zipfile.BadZipFile) as error:
        return Broken(name, str(error))
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
