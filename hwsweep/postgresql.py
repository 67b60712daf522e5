"""One process at a time, also of several machines: a lock that lives in a PostgreSQL database."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

POSTGRESQL = "postgresql"
LONGEST = 300
"""Seconds that a block may last."""


def is_postgresql(url: str | None) -> bool:
    """Whether the URL is one of a PostgreSQL database."""
    return url is not None and url.startswith(POSTGRESQL)


@contextmanager
def one_at_a_time(url: str, name: str) -> Iterator[Connection]:
    """A block that one process at a time is in, of all that use the database; the server frees it of a dead one.

    Args:
        name: what it is about; blocks of other names are not waited for.

    Raises:
        ModuleNotFoundError: the driver is not installed.
    """
    from sqlalchemy import text

    with _engine(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(name.encode())})
        # of a machine that lost its power in here the server would not hear for hours
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{LONGEST}s'"))
        yield connection


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has a table of this name."""
    from sqlalchemy import inspect

    return inspect(connection).has_table(name)


@functools.cache
def _engine(url: str) -> Engine:
    """Connections that are made when they are needed: one kept for hours may have died unnoticed."""
    from sqlalchemy import NullPool, create_engine

    try:
        return create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{url.partition(':')[0]} needs {error.name}; pip install 'hwsweep[postgresql]' "
            "and write postgresql+psycopg://..."
        ) from error
