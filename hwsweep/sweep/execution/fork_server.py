"""The fork server: it loads the heavy modules once, and every job's process starts as a copy of it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from hwsweep.processes import end_with_parent
from hwsweep.sweep.execution.job_process import become_independent

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_server: Any = None
"""The multiprocessing context of the fork server; None before it starts."""


def start_server(preload: list[str], threads: int) -> Any:
    """The multiprocessing context of a fork server, which begins to load these modules; "spawn" where none can run."""
    global _server
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    _server = multiprocessing.get_context("forkserver")
    _server.set_forkserver_preload(["hwsweep.sweep.execution.fork_server_preload", *preload])
    unset = [name for name in THREADS if name not in os.environ]  # the user's own numbers stay
    os.environ.update(dict.fromkeys(unset, str(threads)))
    forkserver.ensure_running()
    for name in unset:
        del os.environ[name]
    return _server


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
