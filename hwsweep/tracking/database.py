"""MLflow's tables in a database: made whole or not at all, by one process at a time.

MLflow breaks a database that two processes create at once, and one in SQLite whose creation was cut short stays broken.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from hwsweep.files import cache_folder, make_once
from hwsweep.postgresql import has_table, one_at_a_time

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
    """Make the file where there is none."""
    make_once(path, lambda part: _create(part, artifacts))


def _create(part: Path, artifacts: str) -> None:
    """Make a new database of MLflow's: a copy of tables made once, since making them takes seconds."""
    empty = cache_folder("mlflow") / f"{version('mlflow')}.db"
    if empty.exists():
        shutil.copyfile(empty, part)
    with _not_synchronised():
        _migrate(f"{SQLITE}{part}", artifacts)
    with suppress(OSError):  # a cache that cannot be written to costs time only
        make_once(empty, lambda copy: _copy_tables(part, copy))
    with sqlite3.connect(part) as connection:
        # readers (the web page) and writers (trials) then do not wait for each other; the file remembers it
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _copy_tables(made: Path, copy: Path) -> None:
    """Copy a new database without what is this database's own: MLflow's first experiment."""
    shutil.copyfile(made, copy)
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM experiments")
    connection.close()


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
