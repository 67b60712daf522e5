"""MLflow's tables in a database: made whole or not at all, by one process at a time.

MLflow breaks a database that two processes create at once, and one in SQLite whose creation was cut short stays broken.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import platformdirs
from filelock import FileLock

from hwsweep.exclusive import has_table, one_at_a_time

SQLITE = "sqlite:///"
"""Begins the URI of a file; its path follows."""


def ensure_postgresql(uri: str, artifacts: str) -> None:
    """Make the tables where there are none; PostgreSQL makes all or none.

    Raises:
        ValueError: the database is Optuna's.
    """
    with one_at_a_time(uri, "mlflow's tables") as connection:
        if has_table(connection, "study_directions"):
            raise ValueError("tracking.uri is Optuna's database; MLflow needs one of its own (createdb mlflow)")
        if not has_table(connection, "alembic_version"):
            _migrate(uri, artifacts)


def ensure_sqlite(path: Path, artifacts: str) -> None:
    """Make the file where there is none: under another name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            _create(path, artifacts)


def _create(path: Path, artifacts: str) -> None:
    part, empty = path.with_name(f".{path.name}.new"), _empty_tables()
    for leftover in path.parent.glob(f"{part.name}*"):
        leftover.unlink()
    if empty.exists():
        shutil.copyfile(empty, part)
    with _not_synchronised():
        _migrate(f"{SQLITE}{part}", artifacts)
    if not empty.exists():
        with suppress(OSError):  # a cache that cannot be written to costs time only
            _keep_empty(part, empty)
    _synchronise(part)
    with sqlite3.connect(part) as connection:
        # readers (the web page) and writers (trials) then do not wait for each other; the file remembers it
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    part.replace(path)


def _empty_tables() -> Path:
    """Where the tables of this version of MLflow are kept: to make them takes seconds, to copy them none."""
    return platformdirs.user_cache_path("hwsweep", appauthor=False) / "mlflow" / f"{version('mlflow')}.db"


def _keep_empty(made: Path, empty: Path) -> None:
    """Keep the tables of a new database, without what is this database's own: MLflow's first experiment."""
    empty.parent.mkdir(parents=True, exist_ok=True)
    part = empty.with_name(f".{empty.name}.{os.getpid()}")
    shutil.copyfile(made, part)
    with sqlite3.connect(part) as connection:
        connection.execute("DELETE FROM experiments")
    connection.close()
    _synchronise(part)
    part.replace(empty)


def _synchronise(path: Path) -> None:
    """Wait until the file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file)


def _migrate(uri: str, artifacts: str) -> None:
    """Make the tables in an empty database, and in any the first experiment."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()  # type: ignore[no-untyped-call]


@contextmanager
def _not_synchronised() -> Iterator[None]:
    """Let SQLite wait for the disk at none of the hundred steps of a migration inside; who uses it does at the end."""
    from sqlalchemy import Engine, event

    def leave_it(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", leave_it)
    try:
        yield
    finally:
        event.remove(Engine, "connect", leave_it)
