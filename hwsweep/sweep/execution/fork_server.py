"""The fork server: loads the heavy modules once; every run begins as a copy of it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from hwsweep.sweep.execution import process

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_running: list[Any] = []
"""The context of the fork server, once there is one."""


def start_server(preload: list[str], threads: int) -> Any:
    """The context of a fork server that loads its modules from now on; of spawned processes where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hwsweep.sweep.execution.fork_server_preload", *preload])
    with _environment({name: str(threads) for name in THREADS}):
        forkserver.ensure_running()
    _running[:] = [context]
    return context


@contextmanager
def helpers(number: int) -> Iterator[Executor | None]:
    """So many processes for what is left to do once the trials are over; None for 0, or where no fork server runs."""
    if not (_running and number):
        yield None
        return
    with ProcessPoolExecutor(number, _running[0], process.begin_to_help) as processes:
        yield processes


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes started inside, unless the user has set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
