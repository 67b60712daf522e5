"""Shapes written in signatures are checked in every test; tests never read the user's own data or store."""

from __future__ import annotations

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook(["hwsweep.models", "hwsweep.analysis"], "typecheck.checked")

REPOSITORY = Path(__file__).resolve().parents[1]
CONF = REPOSITORY / "conf"


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point HWSWEEP_DATA at an empty folder."""
    monkeypatch.setenv("HWSWEEP_DATA", str(tmp_path / "data"))
