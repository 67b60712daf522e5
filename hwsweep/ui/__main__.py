"""`python -m hwsweep.ui`: starts MLflow's web page on this machine and prints the address of the newest study."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from hwsweep.files import without_passwords
from hwsweep.signals import Interrupted, exit_on_signals
from hwsweep.tracking.addresses import FIRST_PORT, HOST
from hwsweep.tracking.store_option import parser_with_store

if TYPE_CHECKING:
    from hwsweep.tracking.runs import Store

START_TIMEOUT = 180.0
"""Seconds until the server must answer. It takes 7 of CPU time to import MLflow, twice: for its command and its app."""
STOP_TIMEOUT = 5.0
"""Seconds that the server has to end by itself."""

EXAMPLES = """\
examples:
  python -m hwsweep.ui                                  the store of this working directory, mlruns/mlflow.db
  python -m hwsweep.ui --port 8080
  python -m hwsweep.ui --uri sqlite:////elsewhere/mlruns/mlflow.db

Ctrl-C ends it. Only this machine can open the page; from elsewhere: ssh -L 5000:127.0.0.1:5000 this-machine
"""


class NothingToShow(Exception):
    """There is no store that MLflow can serve; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 after Ctrl-C, 1 if there is nothing to show or the server does not start."""
    parser = parser_with_store(
        "python -m hwsweep.ui",
        "Starts MLflow's web page and prints the address of the newest study's charts.",
        EXAMPLES,
    )
    parser.add_argument("--port", type=int, help=f"default: the first free one from {FIRST_PORT} on")
    chosen = parser.parse_args(arguments)
    if chosen.uri.startswith(("http://", "https://")):
        return _fail(f"{without_passwords(chosen.uri)} is a server already; open that address in a browser")
    if chosen.port is not None and not _is_free(chosen.port):
        return _fail(f"port {chosen.port} is in use; give another --port, or none: the program finds a free one")
    return _serve(chosen.uri, chosen.artifacts, chosen.port or _free_port())


def _fail(message: str) -> int:
    print(f"hwsweep: {message}", file=sys.stderr)
    return 1


def page_addresses(address: str, store: Store) -> str:
    """Lines with the addresses to open: the newest study with the curves of all its trials, and all experiments."""
    from hwsweep.tracking import chart_view
    from hwsweep.tracking.reading import newest_study

    study = newest_study(store)
    if study is None:
        return f"no study yet; all experiments: {address}"
    page = f"{address}/#/experiments/{study.experiment_id}/runs?workflowType=machine_learning"
    if chart_view.TAG in study.tags:
        page += f"&viewStateShareKey={chart_view.KEY}"
    return (
        f"charts of study {study.name}: {page}&compareRunsMode=CHART\n"
        f"its runs as a table: {page}\neverything: {address}"
    )


def _serve(uri: str, artifacts: str, port: int) -> int:
    """Run the server until Ctrl-C or a signal; none of its processes survives."""
    address, server = f"http://{HOST}:{port}", None
    with exit_on_signals(), TemporaryFile("w+") as output:
        try:
            if _is_database(uri):  # the server starts while this process imports MLflow, too: 2 s
                server = _start(uri, artifacts, port, output)
                print(f"MLflow: {address} (ready in some seconds)", flush=True)
            store = _open_store(uri, artifacts)
            server = server or _start(store.uri, artifacts, port, output)
            print(page_addresses(address, store), flush=True)
            if _answers(server, address):
                print("ready; Ctrl-C ends it", flush=True)
                server.wait()
        except NothingToShow as error:
            return _fail(str(error))
        except Interrupted as end:
            if end.signal == signal.SIGINT:
                return 0
            raise
        finally:
            if server is not None:
                _end(server)
        output.seek(0)
        last = "".join(output.readlines()[-1:]).strip()
        return _fail(f"MLflow's server has ended, or did not answer in {START_TIMEOUT:.0f} s: {last}")


def _is_database(uri: str) -> bool:
    """Whether the URI names the file of an SQLite database, as far as that is known without MLflow."""
    with suppress(OSError), Path(uri.removeprefix("sqlite:///")).open("rb") as file:
        return uri.startswith("sqlite:///") and file.read(16) == b"SQLite format 3\0"
    return False


def _open_store(uri: str, artifacts: str) -> Store:
    """The store.

    Raises:
        NothingToShow: there is none, or it does not answer.
    """
    from hwsweep.tracking.database import UnusableStore
    from hwsweep.tracking.reading import NotInStore, open_existing_store

    try:
        return open_existing_store(uri, artifacts)
    except (NotInStore, UnusableStore) as error:
        raise NothingToShow(str(error)) from error


def _start(uri: str, artifacts: str, port: int, output: IO[str]) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--default-artifact-root", Path(artifacts).absolute().as_uri()),
        *("--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]
    return subprocess.Popen(
        command,
        # two processes instead of ten; a user need not read the deprecation warnings inside MLflow's server
        env={
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": uri,  # not on the command line, which all users of the machine see
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PYTHONWARNINGS": "ignore",
        },
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C reaches this process only: the server would print tracebacks
    )


def _answers(process: subprocess.Popen[bytes], address: str) -> bool:
    """Whether the server answers before it ends and within `START_TIMEOUT`; waits until that is known."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            direct.open(f"{address}/health", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server and its children to end; kill those that do not."""
    import psutil

    try:
        top = psutil.Process(process.pid)
        family = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    for survivor in psutil.wait_procs(family, timeout=STOP_TIMEOUT)[1]:
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    process.wait()


def _free_port() -> int:
    """The first port from `FIRST_PORT` on that no program listens on."""
    return next(port for port in range(FIRST_PORT, 65536) if _is_free(port))


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
