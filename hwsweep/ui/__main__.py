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
from typing import TYPE_CHECKING

from hwsweep.files import without_passwords
from hwsweep.signals import Interrupted, exit_on_signals
from hwsweep.tracking.addresses import FIRST_PORT, HOST
from hwsweep.tracking.store_option import parser_with_store

if TYPE_CHECKING:
    from hwsweep.tracking.runs import Store

START_TIMEOUT = 180.0
"""Seconds until the server must answer; it takes 10 on a quiet machine."""
STOP_TIMEOUT = 5.0
"""Seconds that the server has to end by itself."""

EXAMPLES = """\
examples:
  python -m hwsweep.ui                                  the store of this working directory, mlruns/mlflow.db
  python -m hwsweep.ui --port 8080
  python -m hwsweep.ui --uri sqlite:////elsewhere/mlruns/mlflow.db

Ctrl-C ends it. Only this machine can open the page; from elsewhere: ssh -L 5000:127.0.0.1:5000 this-machine
"""


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
    from hwsweep.tracking.database import UnusableStore
    from hwsweep.tracking.reading import NotInStore, open_existing_store

    try:
        store = open_existing_store(chosen.uri, chosen.artifacts)
    except (NotInStore, UnusableStore) as error:
        return _fail(str(error))
    if chosen.port is not None and not _is_free(chosen.port):
        return _fail(f"port {chosen.port} is in use; give another --port, or none: the program finds a free one")
    return _serve(store, chosen.port or _free_port())


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


def _serve(store: Store, port: int) -> int:
    """Run the server until Ctrl-C or a signal; none of its processes survives."""
    address = f"http://{HOST}:{port}"
    print(f"starting MLflow on {address} (some seconds) ...", flush=True)
    with exit_on_signals():
        process = _start(store, port)
        try:
            if _answers(process, address):
                print(f"{page_addresses(address, store)}\nCtrl-C ends it", flush=True)
                process.wait()
        except Interrupted as end:
            if end.signal == signal.SIGINT:
                return 0
            raise
        finally:
            _end(process)
        return _fail(f"MLflow's server has ended, or did not answer in {START_TIMEOUT:.0f} s")


def _start(store: Store, port: int) -> subprocess.Popen[bytes]:
    artifacts = [] if store.artifacts is None else ["--default-artifact-root", store.artifacts]
    command = [
        *(sys.executable, "-m", "mlflow", "server", *artifacts),
        *("--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]
    return subprocess.Popen(
        command,
        # two processes instead of ten; a user need not read the deprecation warnings inside MLflow's server
        env={
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": store.uri,  # not on the command line, which all users of the machine see
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PYTHONWARNINGS": "ignore",
        },
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
