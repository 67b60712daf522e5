"""Where studies lie: hydra.sweep.dir, which may hold the study's name and the time of the start."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep.sweep.hydra_internals import replace_resolver

ANY = "\0"
"""Stands in a path for each part that differs from study to study: no path can contain it."""


def study_directory(config: DictConfig, name: str) -> Path:
    """Where a study of this name lies: hydra.sweep.dir; outputs/<name> if the application leaves Hydra's default."""
    with flag_override(config.hydra, ["readonly", "struct"], False):
        previous = config.hydra.sweeper.study_name
        config.hydra.sweeper.study_name = name
        unresolved = OmegaConf.to_container(config.hydra.sweep, resolve=False)
        assert isinstance(unresolved, dict)
        is_default = str(unresolved["dir"]).startswith("multirun/${now:")
        path = Path("outputs", name) if is_default else Path(str(config.hydra.sweep.dir))
        config.hydra.sweeper.study_name = previous
    return path.absolute()


def earlier_directories(config: DictConfig, name: str | None, file: str) -> list[Path]:
    """The folders, with this file in them, that the command may have begun at another time; None for any name."""
    with _any_time():
        path = study_directory(config, ANY if name is None else name)
    root = Path(path.anchor)
    pattern = glob.escape(str(path.relative_to(root) / file)).replace(ANY, "*")
    return sorted(found.parent for found in root.glob(pattern))


def is_fixed(config: DictConfig) -> bool:
    """Whether all studies of the application lie in one folder, whatever their name and time."""
    with _any_time():
        return ANY not in str(study_directory(config, ANY))


def time_name() -> str:
    """The current time as a study's name."""
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


@contextmanager
def _any_time() -> Iterator[None]:
    """Resolve `${now:...}` inside to `ANY`, one for each level of folders."""
    replace_resolver("now", lambda text: re.sub("[^/]+", ANY, text))
    try:
        yield
    finally:
        setup_globals()  # Hydra's own resolver
