"""Optuna's storage of a study: a journal file that survives its writer's death, or a database."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from hwsweep.files import without_passwords
from hwsweep.postgresql import exclusive_connection, has_table, is_postgresql
from hwsweep.sweep import SweepError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, JournalStorage

DRIVERS = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary"}
"""The package of each module that has another name."""
JOURNAL = "journal.log"


class JournalLock:
    """The journal's lock; the kernel frees it when its holder dies, while Optuna's own would stay for 30 s."""

    def __init__(self, path: Path) -> None:
        self.lock = FileLock(path)

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def open_storage(url: str | None, directory: Path) -> BaseStorage:
    """Optuna's storage at the URL; without one, the journal in the study's folder.

    Raises:
        SweepError: the database cannot be opened, or is MLflow's.
    """
    from optuna.storages import get_storage

    if url is not None:
        try:
            with _one_creates_tables(url):
                return get_storage(url)
        except SweepError:
            raise
        except Exception as error:  # each driver has errors of its own
            why = str(error).partition("\n")[0].replace(url, without_passwords(url))
            raise SweepError(f"`hydra.sweeper.storage`: {without_passwords(url)} cannot be opened: {why}") from error
    path = directory / JOURNAL
    lock = JournalLock(directory / f"{JOURNAL}.lock")
    with lock.lock:  # under it, no other process is in the middle of a line
        _cut_damaged_end(path)
    return open_journal(path, lock)


def open_journal(path: Path, lock: JournalLock | None = None) -> JournalStorage:
    """Optuna's storage in the journal.

    Raises:
        SweepError: the journal is damaged.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]
    except OSError:
        raise
    except Exception as error:  # Optuna checks nothing that it reads
        lines = path.read_bytes().splitlines()
        number = next((n for n, line in enumerate(lines, 1) if not _is_record(line)), len(lines))
        raise SweepError(
            f"{path} is damaged in line {number}; put a copy of the file in its place, or give another "
            "hydra.sweeper.study_name"
        ) from error


def check_url(key: str, url: Any) -> None:
    """Check that a storage can be at the URL, as far as that is known before it is opened.

    Raises:
        ValueError: it is no URL, its driver is not installed, or its file can be no database.
    """
    if url is None:
        return
    rule = f"`{key}` must be null or the URL of a database, such as sqlite:///studies.db"
    if not isinstance(url, str):
        raise ValueError(f"{rule}, but got {url!r}")
    if url.startswith("redis"):
        if find_spec("redis") is None:
            raise ValueError(f"`{key}`: {without_passwords(url)} needs a package: pip install redis")
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ValueError(f"{rule}, but got {without_passwords(url)}") from None
    try:
        dialect.import_dbapi()
    except ImportError as error:
        package = DRIVERS.get(str(error.name), error.name)
        raise ValueError(f"`{key}`: {without_passwords(url)} needs a driver: pip install {package}") from None
    if dialect.name == "sqlite":
        _check_file(key, parsed.database)


def _check_file(key: str, name: str | None) -> None:
    """Check that SQLite can open the file, or create it.

    Raises:
        ValueError: it cannot.
    """
    if name in (None, "", ":memory:"):
        raise ValueError(f"`{key}` must name a file, as sqlite:///studies.db does, so that the study can go on")
    path = Path(str(name)).absolute()
    if str(name).startswith("file:"):  # SQLite's own kind of URL
        return
    if not path.exists() and not os.access(path.parent, os.W_OK):
        raise ValueError(f"`{key}`: {path.parent} is no folder that can be written; make it, or name another file")
    if path.exists():
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
                connection.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as error:
            if "locked" not in str(error):
                raise ValueError(f"`{key}`: {path} is no database ({error}); name another, or a new file") from error


@contextmanager
def _one_creates_tables(url: str) -> Iterator[None]:
    """In PostgreSQL one process creates the tables, and others that start at the same moment wait."""
    if not is_postgresql(url):
        yield
        return
    try:
        with exclusive_connection(url, "optuna's tables") as connection:
            if has_table(connection, "experiments"):
                raise SweepError("the storage is MLflow's database; Optuna needs one of its own (createdb studies)")
            yield
    except ImportError as error:
        raise SweepError(f"hydra.sweeper.storage: {error}") from error


def _cut_damaged_end(path: Path) -> None:
    """Remove a last line whose writer died in the middle, or that the disk lost: its record never took effect."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        complete = content.rfind(b"\n") + 1
        last = content.rfind(b"\n", 0, max(0, complete - 1)) + 1
        length = complete if _is_record(content[last:complete]) else last
        if length < len(content):
            file.truncate(length)
            os.fsync(file.fileno())


def _is_record(line: bytes) -> bool:
    """Whether the line of a journal is one that Optuna wrote."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
