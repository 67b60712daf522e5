"""The words with which a shell completes `python -m hwsweep.study`: studies, swept keys, numbers of trials."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsweep.sweep.study.steering import SteeredStudy


def completes(parser: argparse.ArgumentParser) -> bool:
    """Whether a shell asks for the words that can follow; they are printed then, where argcomplete is installed."""
    if "_ARGCOMPLETE" not in os.environ:
        return False
    import argcomplete

    argcomplete.autocomplete(parser)
    return True


def completed(argument: argparse.Action, words: Callable[..., list[str]]) -> None:
    """Let a shell complete the argument with these words."""
    argument.completer = words  # type: ignore[attr-defined]


def names(**_: Any) -> list[str]:
    """The studies under outputs/, and `list`."""
    return ["list", *(path.parent.name for path in Path("outputs").glob("*/study.json"))]


def keys(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The swept keys of the study, each with `=`."""
    return [f"{axis.key}=" for axis in _open(parsed_args).proposals.plan.space.axes]


def unfinished(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The numbers of the trials that have not ended."""
    return list(map(str, _open(parsed_args).store.unfinished()))


def ended(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The numbers of the trials that can be run again, and `failed`."""
    trials = _open(parsed_args).store.trials()
    return ["failed", *(str(trial.number) for trial in trials if trial.state.name in ("FAIL", "PRUNED"))]


def _open(parsed_args: argparse.Namespace) -> SteeredStudy:
    from hwsweep.study.study_folder import study_folder
    from hwsweep.sweep.study.steering import open_study

    return open_study(study_folder(parsed_args.study))
