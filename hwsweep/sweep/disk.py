"""Disks that are full or cannot be written: the sweep stops with one line, and its trials wait."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from hwsweep.sweep import SweepError

FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO}
CLOSED |= {errno.ENOENT, errno.ELOOP, errno.ESTALE}  # somebody has removed the folder; a link to itself; a lost server
FULL_TEXTS = ("no space left on device", "disk quota exceeded", "database or disk is full", "unexpected pos")
"""In the messages of other libraries' errors: MLflow passes SQLite's on, and "unexpected pos" is torch.save's."""
SMALLEST_SPACE = 2**16
"""With fewer bytes free on its disk, a process that ended without a word could not write."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its chain of causes: Hydra's instantiate wraps the error of a constructor."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def full_error(error: BaseException) -> BaseException | None:
    """The first in the chain of causes that says that a disk has no space left."""
    return next(filter(_is_full, causes(error)), None)


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    try:
        text = str(error).lower()
    except Exception:  # the class is the program's own
        return False
    return any(words in text for words in FULL_TEXTS)


def has_space(folder: Path) -> bool:
    """Whether a small file can be written into the folder."""
    return shutil.disk_usage(folder).free >= SMALLEST_SPACE


def full_message(path: Path, why: str = "") -> str:
    """What the user reads when there is no space at the path."""
    return f"no space left on the disk of {path}{why and f' ({why})'}; make room, then the same command goes on"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors about the disk that are raised inside, mostly at this path, into a SweepError of one line."""
    try:
        yield
    except SweepError:
        raise
    except Exception as error:
        if full_error(error) is not None:
            raise SweepError(full_message(path)) from error
        if not isinstance(error, OSError) or error.errno not in CLOSED:
            raise
        why = os.strerror(error.errno)
        raise SweepError(
            f"{error.filename or path} cannot be written: {why}; change that, or give another hydra.sweep.dir"
        ) from error


class RunFolder(Callback):
    """Makes the folder of a single run before Hydra does, which would end with a traceback where that is impossible."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Make the folder.

        Raises:
            SystemExit: the folder cannot be made or written to; its code is the message.
        """
        name = "hydra.run.dir"
        try:
            name = str(config.hydra.run.dir)
            folder = Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, ValueError, OmegaConfBaseException) as error:
            why = (
                os.strerror(error.errno)
                if isinstance(error, OSError) and error.errno
                else str(error).partition("\n")[0]
            )
            raise SystemExit(
                f"hwsweep: {name} cannot be written: {why}; change that, or give another hydra.run.dir"
            ) from None
