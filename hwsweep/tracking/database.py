"""MLflow's tables in a database: made whole or not at all, by one process at a time.

MLflow breaks a database that two processes create at once; one in SQLite whose creation was interrupted stays broken.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from hwsweep.files import cache_folder, make_once
from hwsweep.postgresql import exclusive_connection, has_table
from hwsweep.startup import copy_tables
from hwsweep.tracking.mlflow_internals import create_tables

SQLITE = "sqlite:///"
"""Begins the URI of a file; its path follows."""


def ensure_postgresql(uri: str, artifacts: str) -> None:
    """Make the tables where there are none; PostgreSQL makes all or none.

    Raises:
        ValueError: the database is Optuna's.
    """
    with exclusive_connection(uri, "mlflow's tables") as connection:
        if has_table(connection, "study_directions"):
            raise ValueError("tracking.uri is Optuna's database; MLflow needs one of its own (createdb mlflow)")
        if not has_table(connection, "alembic_version"):
            create_tables(uri, artifacts)


def ensure_sqlite(path: Path, artifacts: str) -> None:
    """Make the file where there is none."""
    make_once(path, lambda part: _create(part, artifacts))


def _create(part: Path, artifacts: str) -> None:
    """Make a new database, from a copy of its tables in the user's cache."""
    cached = cache_folder("mlflow") / f"{version('mlflow')}.db"
    copy_tables(cached, part)
    create_tables(f"{SQLITE}{part}", artifacts)
    with suppress(OSError):  # a cache that cannot be written to costs time only
        make_once(cached, lambda copy: _strip(part, copy))
    with sqlite3.connect(part) as connection:
        # then readers (the web page) and writers (trials) do not wait for each other; the file stores the mode
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _strip(database: Path, copy: Path) -> None:
    """Copy a new database without MLflow's first experiment, whose artifacts lie beside that database."""
    shutil.copyfile(database, copy)
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM experiments")
    connection.close()
