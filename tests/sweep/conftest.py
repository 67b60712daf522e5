"""Sweeps of the stub application, in processes of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_sweeps import APP, Ran, command


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Ran]:
    """sweep("x=1,2"): run the stub application in an empty folder (the same one within a test)."""

    def run(*arguments: str, app: Path = APP) -> Ran:
        ended = subprocess.run(
            command(*arguments, app=app),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "COLUMNS": "200"},
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr, tmp_path / "outputs")

    return run
