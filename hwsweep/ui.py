"""The web page of MLflow: `python -m hwsweep.ui` starts it on this machine and prints where the newest study is."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hwsweep.conf_path import conf_path
from hwsweep.signals import end_signals_as_exit

if TYPE_CHECKING:
    from hwsweep.tracking.runs import Store

HOST = "127.0.0.1"
FIRST_PORT = 5000
PATIENCE = 180.0
"""Seconds that the server may take to answer: 10 on a quiet machine."""
GRACE = 5.0
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
    chosen = _parser().parse_args(arguments)
    if chosen.uri.startswith(("http://", "https://")):
        print(f"hwsweep: {chosen.uri} is a server already; open that address in a browser", file=sys.stderr)
        return 1
    from hwsweep.tracking.reading import NotLogged, existing_store

    try:
        store = existing_store(chosen.uri, chosen.artifacts)
    except NotLogged as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        return 1
    if chosen.port is not None and not _is_free(chosen.port):
        print(f"hwsweep: port {chosen.port} is taken; give another --port, or none: one is found", file=sys.stderr)
        return 1
    return _serve(store, chosen.port or _free_port())


def _parser() -> argparse.ArgumentParser:
    from omegaconf import OmegaConf

    defaults = OmegaConf.load(conf_path() / "config.yaml").tracking
    parser = argparse.ArgumentParser(
        prog="python -m hwsweep.ui",
        description="Starts MLflow's web page and prints the address of the newest study's charts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--uri", default=defaults.uri, help="the store (default: %(default)s)")
    parser.add_argument("--port", type=int, help=f"default: the first free one from {FIRST_PORT} on")
    parser.set_defaults(artifacts=defaults.artifacts)
    return parser


def charts(address: str, store: Store) -> str:
    """What to open: the newest study with the curves of all its trials, or the list of experiments."""
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
    """Run the server until Ctrl-C or a signal; nothing of it is left running."""
    address = f"http://{HOST}:{port}"
    print(f"starting MLflow on {address} (some seconds) ...", flush=True)
    with end_signals_as_exit(), _server(store, port) as process:
        try:
            if _ready(process, address):
                print(f"{charts(address, store)}\nCtrl-C ends it", flush=True)
                process.wait()
        except KeyboardInterrupt:
            return 0
        print(f"hwsweep: MLflow's server has ended, or did not answer in {PATIENCE:.0f} s", file=sys.stderr)
        return 1


@contextmanager
def _server(store: Store, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server, which ends with the block."""
    process = subprocess.Popen(
        _command(store, port),
        # two processes, not ten; and the deprecations inside MLflow's server are not the user's to read
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"},
        start_new_session=True,  # Ctrl-C is ours: the server would answer it with tracebacks
    )
    try:
        yield process
    finally:
        _end(process)


def _command(store: Store, port: int) -> list[str]:
    artifacts = [] if store.artifacts is None else ["--default-artifact-root", store.artifacts]
    return [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, *artifacts),
        *("--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]


def _ready(process: subprocess.Popen[bytes], address: str) -> bool:
    """Whether the server answers: waits until it does, has ended, or was waited for long enough."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            direct.open(f"{address}/health", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started, gently at first."""
    import psutil

    try:
        top = psutil.Process(process.pid)
        family = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    for survivor in psutil.wait_procs(family, timeout=GRACE)[1]:
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    process.wait()


def _free_port() -> int:
    """The first port from `FIRST_PORT` on that nobody listens on."""
    return next(port for port in range(FIRST_PORT, 65536) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
