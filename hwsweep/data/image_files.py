"""The image files of a folder or zip: their list, and how to open one. A zip is read without unpacking it."""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, NamedTuple

from hwsweep.data import DataError
from hwsweep.data.data_files import endings, files_below, is_hidden, report_left_out, split_folders

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


class ImageFile(NamedTuple):
    """One image file, not read yet."""

    name: str
    """Relative to the folder or zip, with forward slashes."""
    n_bytes: int
    stamp: int
    """Modification time in nanoseconds; in a zip, the checksum of the content."""


def image_files(source: Path) -> list[ImageFile]:
    """The images in a folder (and the folders below) or a zip, sorted by name; it says how many other files there are.

    Raises:
        DataError: `source` is missing or unreadable, has no image, or is a zip with a member outside of its folder.
    """
    if not source.exists():
        raise DataError(f"there is no folder or zip of images at {source}; set dataset.path")
    suffixes = ", ".join(sorted(SUFFIXES))
    files: list[ImageFile] = []
    names: list[str] = []  # of other files
    for file in sorted(_in_folder(source) if source.is_dir() else _in_zip(source)):
        if os.path.splitext(file.name)[1].lower() in SUFFIXES:  # noqa: PTH122
            files.append(file)
        else:
            names.append(file.name)
    if not files:
        found = f"; found only {endings(names)}" if names else ""
        raise DataError(f"no images in {source}: looked for {suffixes}{found}")
    if splits := split_folders({file.name.partition("/")[0] for file in files if "/" in file.name}):
        log.warning("%s are read as one set of images, and splits are drawn from it", ", ".join(splits))
    report_left_out(source, names, f"images ({suffixes})")
    return files


@contextmanager
def image_reader(source: Path) -> Iterator[Callable[[str], BinaryIO]]:
    """A function that opens an image by its name."""
    if source.is_dir():
        yield lambda name: (source / name).open("rb")
    else:
        with zipfile.ZipFile(source) as archive:
            yield lambda name: io.BytesIO(archive.read(name))


def _in_folder(source: Path) -> Iterator[ImageFile]:
    for path in files_below(str(source)):
        name = os.path.relpath(path, source).replace(os.sep, "/")
        try:
            status = os.stat(path)  # noqa: PTH116 (a Path each would cost more than the listing)
            yield ImageFile(name, status.st_size, status.st_mtime_ns)
        except OSError:  # a link to nothing is a broken image
            yield ImageFile(name, 0, 0)


def _in_zip(source: Path) -> Iterator[ImageFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{source} is neither a folder nor a readable zip: {error}") from error
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or PureWindowsPath(member.filename).drive:
            raise DataError(
                f"{source}: every member must lie inside the zip's folder, but {member.filename!r} lies outside. "
                "Pack the images again"
            )
        if not member.is_dir() and not any(map(is_hidden, path.parts)):
            yield ImageFile(member.filename, member.file_size, member.CRC)
