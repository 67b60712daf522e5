"""A temporary PostgreSQL cluster: its folder contains data and socket, and is removed at the end."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

OWNER = "postgres"
"""The user of a cluster that root starts: PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """The folder of initdb and pg_ctl (Debian does not add it to PATH); None if PostgreSQL is not installed."""
    found = shutil.which("initdb")
    places = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    return next((place for place in places if (place / "pg_ctl").exists()), None)


@contextmanager
def cluster(databases: list[str]) -> Iterator[dict[str, str]]:
    """URL of each of these empty databases; the server stops at the end of the block."""
    folder = programs()
    assert folder is not None
    with TemporaryDirectory(prefix="hwsweep-pg-") as place:  # a socket's path must be short
        if os.getuid() == 0:
            shutil.chown(place, OWNER)
        user = OWNER if os.getuid() == 0 else getpass.getuser()
        data = f"{place}/data"
        run(folder / "initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync")
        options = f"-k {place} -c listen_addresses= -c fsync=off"
        run(folder / "pg_ctl", "-D", data, "-w", "-l", f"{place}/log", "-o", options, "start")
        try:
            for name in databases:
                run(folder / "createdb", "-h", place, "-U", user, name)
            yield {name: f"postgresql+psycopg://{user}@/{name}?host={place}" for name in databases}
        finally:
            run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def run(*command: str | Path) -> None:
    asked = [str(word) for word in command]
    if os.getuid() == 0:
        asked = ["runuser", "-u", OWNER, "--", *asked]
    # not captured: the server would keep the pipe open
    subprocess.run(asked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
