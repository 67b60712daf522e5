"""Processes: which one is that, is it gone, end it with all its children, end with my parent."""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

import psutil

TRAINER = "HWSWEEP_TRAINER"
"""The environment variable of a trial's process that names the socket of the process that trains its model."""


def this_process() -> str:
    """Machine, process id and start time of this process: unique, also when process ids are used again."""
    return identity(os.getpid())


def identity(pid: int) -> str:
    """The same of a process of this machine.

    Raises:
        psutil.NoSuchProcess: there is none with this id.
    """
    return f"{_machine()} {pid} {psutil.Process(pid).create_time():.2f}"


def find(process: str) -> psutil.Process | None:
    """The process with this identity; None if it has ended, or ran on another machine."""
    try:
        machine, pid, created = process.rsplit(" ", 2)
        found = psutil.Process(int(pid))
        same = machine == _machine() and abs(found.create_time() - float(created)) <= 1
    except (ValueError, psutil.NoSuchProcess):
        return None
    return found if same else None


def is_gone(process: str) -> bool:
    """Whether the process with this identity ran on this machine and has ended."""
    return process.rsplit(" ", 2)[0] == _machine() and find(process) is None


def kill_tree(pid: int) -> None:
    """End a process, its process group and everything that it started, at once."""
    kill_group(pid)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()


def kill_group(pid: int) -> None:
    """End what is left of the process group that this process led."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def end_with_parent(last: Callable[[], object] = lambda: None) -> None:
    """End this process and its children as soon as the process that started it ends, and do `last` before."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if not parent.is_alive():
        os._exit(1)
    threading.Thread(target=_end_with, args=(parent.sentinel, last), daemon=True).start()


def _end_with(sentinel: int, last: Callable[[], object]) -> None:
    wait([sentinel])
    last()
    kill_tree(os.getpid())


@functools.cache
def _machine() -> str:
    """This machine: its name, and its network address where it has one, since two machines may share a name."""
    node = uuid.getnode()
    return socket.gethostname() if node >> 40 & 1 else f"{socket.gethostname()}/{node:x}"  # the bit marks a random one


def ensure_output() -> None:
    """Give this process and its children an output where it has none (`>&-`); what they print is lost.

    A character that the output's encoding has not, as in a locale without UTF-8, is printed as its escape.
    """
    for name in ("stdout", "stderr"):
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for as long as the process runs
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
