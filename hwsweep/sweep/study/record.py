"""study.json, which describes a study: reading it, and comparing the questions of two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwsweep import files
from hwsweep.sweep import SweepError

RECORD = "study.json"


FORMAT = 2
"""Of study.json and the trials; raise it when a study of the version before cannot go on."""


KEYS = {"name", "status", "question", "grid"}
"""Of study.json, in each version."""


ABSENT = "(absent)"


def read_record(path: Path) -> dict[str, Any] | None:
    """The content of study.json in a study's folder; None if there is no study.

    Raises:
        SweepError: the file is damaged, or another version of hwsweep began the study.
    """
    record = read_any_version(path)
    if record is not None and (version := record.get("format", 1)) != FORMAT:
        raise SweepError(
            f"study {record['name']!r} was begun by another version of hwsweep (format {version}, this one needs "
            f"{FORMAT}); use that version, or give another hydra.sweeper.study_name"
        )
    return record


def read_any_version(path: Path) -> dict[str, Any] | None:
    """The content of study.json, whichever version began the study; None if there is none.

    Raises:
        SweepError: the file is damaged.
    """
    try:
        record: dict[str, Any] | None = files.read_json(path / RECORD)
        if record is None or (record.keys() >= KEYS and "command" in record["question"]):
            return record
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    raise SweepError(
        f"{path / RECORD} is damaged: it describes no study; move {path} away, or give another hydra.sweeper.study_name"
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line `key: old -> new` per difference, keys in dotted form.

    A key that is null or an empty list is as good as absent: a newer version may bring it.
    """
    before, after = flatten(old), flatten(new)
    changed = [key for key in {**before, **after} if _or_none(before.get(key)) != _or_none(after.get(key))]
    return [f"{key}: {before.get(key, ABSENT)} -> {after.get(key, ABSENT)}" for key in changed]


def _or_none(value: Any) -> Any:
    return None if value == [] else value


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; lists are leaves."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, inner in value.items():
        leaves.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return leaves
