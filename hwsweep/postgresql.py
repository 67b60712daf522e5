"""PostgreSQL: a lock in the database that processes of several machines share."""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MAX_SECONDS = 300
"""Seconds that a block with the lock may last."""
CONNECT_SECONDS = "20"
"""Seconds that a server has to answer, unless the user sets PGCONNECT_TIMEOUT; by default minutes."""


def is_postgresql(url: str | None) -> bool:
    """Whether the URL is one of a PostgreSQL database."""
    return url is not None and url.startswith("postgresql")


@contextmanager
def exclusive_connection(url: str, name: str) -> Iterator[Connection]:
    """A connection in a block that only one process runs at a time; the lock of a dead process is free again.

    Args:
        name: of the lock; blocks with other names run at the same time.

    Raises:
        ModuleNotFoundError: the driver is not installed.
    """
    from sqlalchemy import text

    with _engine(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(name.encode())})
        # the server notices only after hours that a machine has lost its power
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{MAX_SECONDS}s'"))
        yield connection


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has a table of this name."""
    from sqlalchemy import inspect

    return inspect(connection).has_table(name)


@functools.cache
def _engine(url: str) -> Engine:
    """An engine that opens a new connection for each use: an old one may have died unnoticed."""
    from sqlalchemy import NullPool, create_engine

    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)  # of libpq, for MLflow's and Optuna's connections too
    try:
        return create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{url.partition(':')[0]} needs {error.name}; pip install 'hwsweep[postgresql]' "
            "and write postgresql+psycopg://..."
        ) from error
