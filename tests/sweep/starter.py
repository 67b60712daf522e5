"""Starts applications quickly: a process with Hydra and Optuna loaded forks once per command line that it reads."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import traceback
import warnings
from typing import Any, NoReturn

import hydra.main  # noqa: F401  # loaded once for all
import optuna  # noqa: F401

import hwsweep.sweep.engine  # noqa: F401


def serve() -> None:
    """Read one line of JSON per command and print its exit code."""
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(asked: dict[str, Any]) -> NoReturn:
    """Run `python app.py arguments...` in this process, with the given folder, environment and output files."""
    signal.alarm(120)  # a sweep that hangs ends, and its test fails
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, asked["out"]), (2, asked["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    app, *_ = sys.argv = asked["command"]
    sys.orig_argv = [sys.executable, *sys.argv]
    sys.path[:0] = [os.path.dirname(app), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # noqa: PTH120
    warnings.filterwarnings("ignore", "The version_base parameter is deprecated")  # Hydra 1.4
    code = 0
    try:
        runpy.run_path(app, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
