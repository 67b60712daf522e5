"""Files that are there whole or not at all, without passwords; things that one process makes for all; the cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

Content = TypeVar("Content")
MASK = "***"
_PASSWORD = re.compile(
    r"""(?<=://) (?P<user>[^\s:/@<>"]*:) [^\s<>"]* (?P<host>@)  # URL with user and password: postgresql://me:secret@host/db
    | (?P<name>[?&;]\w*(?:password|passwd|pwd|token|secret|signature|access_?key)=) [^\s&<>"']*  # or in its query
    """,
    re.VERBOSE | re.IGNORECASE,
)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to; it becomes `path` when the block ends without an error.

    The content is on the disk before it gets its name, so that a process or a machine that stops leaves the old
    content or the new, never a part. After an error nothing is left and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield part
        _flush(part)
        part.replace(path)
    finally:
        remove(part)


def write_text(path: Path, text: str) -> Path:
    """`path`, once it holds this text, in UTF-8."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    """`path`, once it holds this value as JSON; its texts without passwords."""
    return write_text(path, json.dumps(masked(value), indent=2) + "\n")


def without_passwords(text: str) -> str:
    """The text with *** for the password in each URL."""
    return _PASSWORD.sub(lambda found: f"{found['user'] or found['name']}{MASK}{found['host'] or ''}", text)


def masked(value: Any) -> Any:
    """The value, of dicts and lists, with *** for the password in each URL."""
    if isinstance(value, str):
        return without_passwords(value)
    if isinstance(value, Mapping):
        return {key: masked(inner) for key, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list | tuple) else value


def read_json(path: Path) -> Any:
    """The value that the file holds; None if there is no such file.

    Raises:
        ValueError: the file holds no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object that the file holds; None if there is no such file, or it is damaged and can be made again."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def make_once(path: Path, make: Callable[[Path], None]) -> Path:
    """`path`, made by the first process that asks for it; others that ask meanwhile wait.

    Args:
        make: writes the file or folder to the temporary path that it is given.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            for leftover in path.parent.glob(f".{path.name}.*.tmp*"):  # of a process that was killed here
                remove(leftover)
            with whole(path) as part:
                make(part)
    return path


def load_or_make(path: Path, make: Callable[[Path], None], load: Callable[[Path], Content]) -> Content:
    """What `load` reads from `path`, a file or folder of the cache that is made once; a damaged one is made again."""
    if path.exists():
        try:
            return load(path)
        except Exception:  # of any library that reads it; what can be made again is treated as absent
            remove(path)
    return load(make_once(path, make))


def cache_folder(name: str) -> Path:
    """The folder of this name in the user's cache, or where that cannot be written, in the temporary folder.

    Everything in it can be made again.
    """
    import platformdirs

    cache = platformdirs.user_cache_path("hwsweep", appauthor=False)
    if "XDG_CACHE_HOME" not in os.environ:  # what the user names must be right
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            cache = Path(tempfile.gettempdir(), f"hwsweep-{getattr(os, 'getuid', os.getpid)()}")
    return cache / name


def _flush(path: Path) -> None:
    """Wait until the file, or each file of the folder, is on the disk."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())


def remove(path: Path) -> None:
    """Remove the file or the folder, if it is there; of a link, the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
