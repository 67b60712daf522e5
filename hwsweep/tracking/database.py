"""Where MLflow stores: a server, or its tables in a database, made whole or not at all, by one process at a time.

MLflow breaks a database that two processes create at once; one in SQLite whose creation was interrupted stays broken.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from mlflow.exceptions import MlflowException
from sqlalchemy import URL, NullPool, create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from hwsweep.files import cache_folder, make_once, masked, remove
from hwsweep.postgresql import exclusive_connection, has_table, is_postgresql
from hwsweep.startup import copy_tables
from hwsweep.tracking.mlflow_internals import create_tables, find_artifact_repository

SERVERS = ("http", "https", "databricks", "uc")
"""Schemes of the URIs of servers; any other URI is one of a database."""
TIMEOUT = 20
"""Seconds that a server has to answer when a run or a study starts."""


class UnusableStore(ValueError):
    """The setting `tracking.uri` or `tracking.artifacts` is none that MLflow can use; the message says which can be."""

    failure_reason = "invalid-config"


@contextmanager
def errors_as_unusable_store(uri: object) -> Iterator[None]:
    """Turn what libraries raise about a store inside into UnusableStore."""
    try:
        if not isinstance(uri, str) or not uri:
            raise ValueError("it is no text")
        yield
    except UnusableStore:
        raise
    except (MlflowException, SQLAlchemyError, OSError, ValueError, ImportError) as error:
        raise UnusableStore(
            f"`tracking.uri` must be sqlite:///a/file.db, http://host:5000 or another store of MLflow that answers, "
            f"but got {masked(uri)!r}: {_reason(error)}{_way_out(error)}"
        ) from error


def lost_store(error: BaseException) -> str | None:
    """One line where the error says that a store which had answered answers no more; None for other errors."""
    if not isinstance(error, MlflowException | SQLAlchemyError):
        return None
    return f"MLflow's store does not answer any more: {_reason(error)}{_way_out(error)}"


def is_server(uri: str) -> bool:
    """Whether the URI is one of a server, which makes its own tables and chooses the place of artifacts."""
    return uri.partition(":")[0] in SERVERS


@contextmanager
def short_timeout() -> Iterator[None]:
    """Let MLflow give up inside after one attempt of `TIMEOUT` seconds; by default it tries for some minutes."""
    limits = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def artifacts_uri(artifacts: object) -> str:
    """The URI of the folder of artifacts.

    Raises:
        UnusableStore: the setting is no text.
    """
    if not isinstance(artifacts, str) or not artifacts:
        raise UnusableStore(f"`tracking.artifacts` must be a folder or a URL, but got {artifacts!r}")
    return artifacts if "://" in artifacts else Path(artifacts).absolute().as_uri()


def ensure_artifacts(uri: str) -> None:
    """Make the folder of artifacts where it is one of this machine.

    Raises:
        UnusableStore: it cannot be written to, or MLflow does not know this kind of place.
    """
    try:
        if not uri.startswith("file:"):
            find_artifact_repository(uri)
            return
        folder = Path(url2pathname(urlsplit(uri).path))
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it is read-only")
    except (MlflowException, OSError, ValueError, ImportError) as error:
        raise UnusableStore(
            f"`tracking.artifacts` must be a folder that can be written to, or a URL such as s3://bucket/folder, "
            f"but got {uri}: {_reason(error)}"
        ) from error


def ensure_database(uri: str, artifacts: str) -> str:
    """The URI of the database, which has MLflow's tables now; an SQLite file is absolute in it."""
    if is_postgresql(uri):
        ensure_postgresql(uri, artifacts)
        return uri
    if (path := sqlite_file(uri)) is not None:
        ensure_sqlite(path, artifacts)
        uri = sqlite_uri(path)
    engine = create_engine(uri, poolclass=NullPool)
    with engine.connect() as connection:  # MLflow would try ten times, in three minutes
        inspect(connection).get_table_names()
    return uri


def sqlite_file(uri: str) -> Path | None:
    """The absolute path of an SQLite database's file; None if the URI is one of another database.

    Raises:
        ValueError: the URI names a database in memory, which no other process would see.
    """
    url = make_url(uri)
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise ValueError("it names no file")
    return Path(str(url.database)).absolute()


def sqlite_uri(path: Path) -> str:
    """The URI of the SQLite database in this file."""
    uri = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    # MLflow makes the still quoted parent folder of what follows sqlite:///, but not where a driver is named
    return uri if unquote(uri) == uri else uri.replace("sqlite:", "sqlite+pysqlite:", 1)


def ensure_postgresql(uri: str, artifacts: str) -> None:
    """Make the tables where there are none; PostgreSQL makes all or none.

    Raises:
        UnusableStore: the database is Optuna's.
    """
    with exclusive_connection(uri, "mlflow's tables") as connection:
        if has_table(connection, "study_directions"):
            raise UnusableStore("tracking.uri is Optuna's database; MLflow needs one of its own (createdb mlflow)")
        if not has_table(connection, "alembic_version"):
            create_tables(uri, artifacts)


def ensure_sqlite(path: Path, artifacts: str) -> None:
    """Make the file where there is none."""
    make_once(path, lambda part: _create(part, artifacts))


def _create(part: Path, artifacts: str) -> None:
    """Make a new database, from a copy of its tables in the user's cache."""
    cached = cache_folder("mlflow") / f"{version('mlflow')}.db"
    copy_tables(cached, part)
    if not _is_whole(part):
        remove(cached)
        remove(part)
    create_tables(sqlite_uri(part), artifacts)
    with suppress(OSError):  # a cache that cannot be written to costs time only
        make_once(cached, lambda copy: _strip(part, copy))
    with sqlite3.connect(part) as connection:
        # then readers (the web page) and writers (trials) do not wait for each other; the file stores the mode
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _is_whole(path: Path) -> bool:
    """Whether the file is a database that is not damaged; an absent or empty one counts as new."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA quick_check").fetchall() == [("ok",)])
    return False


def _reason(error: Exception) -> str:
    """The first line of the error's message; of an error about a server or a database, its cause."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = next((line for line in lines if re.match(r"\(\w+\.\w+Error\) ", line)), lines[0])
    cause = re.search(r"\(Caused by \w+\([\"'](.*)[\"']\)\)$", line)
    return cause[1] if cause else line


def _way_out(error: Exception) -> str:
    """What to do about a damaged file of SQLite, one that a newer MLflow made, and one that another program uses."""
    ways = {
        "not a database": "move the file away, and a new one is made",
        "malformed": "move the file away, and a new one is made",
        "database is locked": "wait until the other program that uses it has ended",
        "out-of-date database schema": "if a newer MLflow made it, install that one, or name another database",
    }
    return next((f"; {way}" for words, way in ways.items() if words in str(error)), "")


def _strip(database: Path, copy: Path) -> None:
    """Copy a new database without MLflow's first experiment, whose artifacts lie beside that database."""
    shutil.copyfile(database, copy)
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM experiments")
    connection.close()
