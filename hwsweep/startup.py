"""Measures that only make programs start and end sooner; HWSWEEP_PLAIN=1 in the environment turns all of them off.

Gains are shares of the default sweep, `python -m hwsweep -m vae.lambda=0,1,100`, on two cores of an AMD EPYC processor.
The modules that every trial needs are imported by trial_preload.py; what makes a training step faster is in
training/precision.py.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEFAULT_THRESHOLD = gc.get_threshold()


def plain() -> bool:
    """Whether all measures are off."""
    return os.environ.get("HWSWEEP_PLAIN") == "1"


def raise_gc_threshold() -> None:
    """Let the garbage collector run rarely while this process imports torch and MLflow, which create many objects."""
    # gain: 5 % of the default sweep, 1.2 s
    if not plain():
        gc.set_threshold(100_000)


def restore_gc_threshold() -> None:
    """Restore the default GC thresholds, for a process that is about to compute; exempt what already exists."""
    if gc.isenabled() and gc.get_threshold() == _DEFAULT_THRESHOLD:
        return  # nothing to restore; objects of an earlier job in this process may be garbage
    gc.freeze()
    gc.set_threshold(*_DEFAULT_THRESHOLD)
    gc.enable()


def prepare_fork_server() -> None:
    """Turn the garbage collector off and let this process end at once: a fork server only imports modules."""
    # gain: part of those of `raise_gc_threshold` and `quick_exit`; a collection also copies pages that trials share
    if not plain():
        gc.disable()
        atexit.register(_exit_now, os.getpid(), 0)


@contextmanager
def quick_exit() -> Iterator[None]:
    """Let this process end without freeing what it has imported, once the block has returned or exited.

    Exit handlers that are registered inside the block still run. Any other exception ends the process as usual.
    """
    # gain: 10 % of the default sweep: freeing torch and MLflow takes 2.4 s
    code: int | None = None

    def end() -> None:
        if code is not None and not plain():
            _exit_now(process, code)

    process = os.getpid()
    atexit.register(end)
    try:
        yield
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise


def _exit_now(process: int, code: int) -> None:
    """End this process, unless it is a copy of `process`, which inherits the exit handler."""
    if os.getpid() == process:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def copy_tables(cached: Path, database: Path) -> None:
    """Copy the empty tables of an earlier database of the same version of MLflow, if there are any."""
    # gain: MLflow's migrations, 2 s and more of the first sweep in a folder (10 %)
    if cached.exists() and not plain():
        shutil.copyfile(cached, database)
