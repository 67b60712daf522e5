"""Every test checks the shapes in signatures; no test reads the user's own data or store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook(["hwsweep.models", "hwsweep.analysis"], "typecheck.checked")


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point HWSWEEP_DATA and the user's cache at empty folders."""
    monkeypatch.setenv("HWSWEEP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; a new one takes seconds, a copy of this one milliseconds."""
    from hwsweep.tracking.runs import open_store

    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        open_store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    return folder / "mlflow.db"


@pytest.fixture
def workplace(tmp_path: Path, migrated_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary working directory with an MLflow store."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(migrated_store, tmp_path / "mlruns" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hwsweep(workplace: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m hwsweep` with the given arguments in the workplace."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hwsweep", *arguments],
            cwd=workplace,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=200,
        )

    return call
