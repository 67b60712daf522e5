"""Starts the stub application and reads its studies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import optuna

APP = Path(__file__).parent / "stub_app.py"


class Ran(NamedTuple):
    code: int
    out: str
    err: str
    outputs: Path

    @property
    def studies(self) -> list[Path]:
        return sorted(path.parent for path in self.outputs.glob("*/study.json"))

    def trials(self, study: int = 0) -> list[optuna.trial.FrozenTrial]:
        return trials(self.studies[study])

    def outcome(self, number: int) -> dict[str, Any]:
        return json.loads((self.studies[0] / str(number) / "outcome.json").read_text())


def trials(study: Path) -> list[optuna.trial.FrozenTrial]:
    """The study's trials as Optuna itself reads the journal."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(study / "journal.log")))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials


def command(*arguments: str, app: Path = APP) -> list[str]:
    return [sys.executable, str(app), "-m", *arguments]
