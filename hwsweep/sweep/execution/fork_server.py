"""The fork server: it loads the heavy modules once, and every job's process starts as a copy of it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psutil

from hwsweep.processes import end_with_parent
from hwsweep.signals import LAST_STEPS, held_back
from hwsweep.sweep.execution.job_process import become_independent

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LONGEST_FOLDER = 70
"""Bytes of the path of a folder for sockets. A socket's name adds up to 32: it may have 103 on macOS, 107 on Linux."""

_server: Any = None
"""The multiprocessing context of the fork server; None before it starts."""


def start_server(preload: list[str], threads: int) -> Any:
    """The multiprocessing context of a fork server, which begins to load these modules; "spawn" where none can run.

    A server that runs already stays; one that has died starts again.
    """
    global _server
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    if _server is None:
        end = partial(_kill_server, os.getpid())
        atexit.register(end)
        LAST_STEPS.append(end)
    _server = multiprocessing.get_context("forkserver")
    _server.set_forkserver_preload(["hwsweep.sweep.execution.fork_server_preload", *preload])
    unset = [name for name in THREADS if name not in os.environ]  # the user's own numbers stay
    os.environ.update(dict.fromkeys(unset, str(threads)))
    with held_back():  # a hang-up would kill the tracker; it lets SIGINT and SIGTERM through again, so it starts first
        resource_tracker.ensure_running()
    # Ctrl-C goes to all processes of the terminal, and would interrupt the server's imports
    with held_back(), _short_folder():
        forkserver.ensure_running()
    for name in unset:
        del os.environ[name]
    return _server


def folder_of_sockets() -> str:
    """The folder for temporary files; /tmp where its path is too long for that of a socket in it."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= LONGEST_FOLDER else "/tmp"


@contextmanager
def _short_folder() -> Iterator[None]:
    """Inside, multiprocessing makes its socket where the path is short enough."""
    usual = tempfile.gettempdir()
    tempfile.tempdir = folder_of_sockets()
    try:
        yield
    finally:
        tempfile.tempdir = usual


def end_server() -> None:
    """End the fork server, so that the next sweep of this process gets one with the environment of that moment."""
    if server_pid() is None:
        return
    from multiprocessing import forkserver

    _kill_server(os.getpid())
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # waits for it


def server_pid() -> int | None:
    """The process id of the fork server; None if none was started. multiprocessing has no public name for it."""
    if _server is None:
        return None
    from multiprocessing import forkserver

    pid: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return pid


def has_died(pid: int | None) -> bool:
    """Whether this fork server has died. It waits a second for that: a server's jobs are lost a moment before."""
    deadline = time.monotonic() + 1
    with suppress(psutil.NoSuchProcess):
        while pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    return pid is not None


def _kill_server(process: int) -> None:
    """End the server with this process: it would go on loading modules, and keep the output open, for seconds."""
    pid = server_pid()
    if os.getpid() == process and pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def worker_pool(number: int) -> Iterator[Executor | None]:
    """This many worker processes, copies of the fork server; None for 0, or if no fork server runs."""
    if _server is None or number == 0:
        yield None
        return
    with ProcessPoolExecutor(number, _server, _start_worker) as workers:
        yield workers


def _start_worker() -> None:
    become_independent()
    end_with_parent()
