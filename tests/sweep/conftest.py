"""Sweeps of the stub application, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stub_sweeps import APP, Ran


@pytest.fixture(scope="session")
def starter() -> Iterator[subprocess.Popen[str]]:
    """A process that starts applications without loading their libraries anew: half of what a sweep costs."""
    command = [sys.executable, str(Path(__file__).parent / "starter.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture
def sweep(tmp_path: Path, starter: subprocess.Popen[str]) -> Callable[..., Ran]:
    """sweep("x=1,2"): run the stub application in an empty folder (the same one within a test)."""

    def run(*arguments: str, app: Path = APP) -> Ran:
        assert starter.stdin is not None and starter.stdout is not None
        out, err = tmp_path / "stdout", tmp_path / "stderr"
        asked = {
            "command": [str(app), "-m", *arguments],
            "folder": str(tmp_path),
            "environment": {**os.environ, "COLUMNS": "200"},
            "out": str(out),
            "err": str(err),
        }
        starter.stdin.write(json.dumps(asked) + "\n")
        starter.stdin.flush()
        code = int(starter.stdout.readline())
        return Ran(code, out.read_text(), err.read_text(), tmp_path / "outputs")

    return run
