"""The configuration as it was at launch: a copy of its YAML files, from which every trial is composed."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep import files
from hwsweep.sweep.hydra_internals import config_loader

OUTPUT_FOLDERS = {"outputs", "multirun", "mlruns", "node_modules", "__pycache__"}
"""Folders beside an application that hold no configuration of its own, but perhaps many YAML files."""


class Snapshot(NamedTuple):
    """Everything that composes a trial, whatever happens to the original files."""

    search_path: list[tuple[str, str]]
    """(provider, path) of Hydra's configuration sources; the paths are those of the copies."""
    config_name: str | None
    hydra_overrides: list[str]
    study: str
    directory: str

    def loader(self) -> ConfigLoader:
        """Hydra's loader over the copies."""
        return config_loader(self.search_path)

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration for these overrides, as it was at launch."""
        lines = [*self.hydra_overrides, *overrides]
        config = self.loader().load_configuration(self.config_name, lines, run_mode=RunMode.RUN)
        self.set_study(config)
        return config

    def set_study(self, config: DictConfig) -> None:
        """Set the study's name and folder in a composed configuration."""
        with flag_override(config.hydra, ["readonly", "struct"], False):
            config.hydra.sweeper.study_name = self.study
            config.hydra.sweep.dir = self.directory


def take_snapshot(loader: ConfigLoader, config: DictConfig, study: str, directory: Path) -> Snapshot:
    """The snapshot of the sources of `config`, copied into the study's folder unless a copy is there already."""
    sources = [(element.provider, element.path or "") for element in loader.get_search_path().get_path()]
    sources += [("hydra.searchpath", str(path)) for path in OmegaConf.select(config, "hydra.searchpath") or []]
    copies = [directory / "conf" / f"{number}_{provider}" for number, (provider, _) in enumerate(sources)]
    if not (directory / "conf").exists():
        with files.whole(directory / "conf") as part:
            part.mkdir()
            for copy, (_, path) in zip(copies, sources, strict=True):
                if (folder := _folder(path)) is not None:
                    _copy_yaml(folder, part / copy.name)
    search_path, added = [], []
    for copy, (provider, path) in zip(copies, sources, strict=True):
        path_now = f"file://{copy}" if copy.exists() else path
        if provider == "hydra.searchpath":
            added.append(path_now)
        else:
            search_path.append((provider, path_now))
    overrides = [line for line in hydra_overrides(config) if not line.startswith("hydra.searchpath=")]
    if added:
        overrides.append(f"hydra.searchpath={added}")
    return Snapshot(search_path, config.hydra.job.config_name, overrides, study, str(directory))


def hydra_overrides(config: DictConfig) -> list[str]:
    """The command's overrides of Hydra's own section as they were written.

    A list of OmegaConf would resolve `hydra.sweep.subdir=${hydra.job.num}`, which has no value before a trial runs.
    """
    lines = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    assert isinstance(lines, list)
    return [str(line) for line in lines]


def stored_loader(directory: Path) -> ConfigLoader:
    """Hydra's loader over the copies in a study's folder, for a process in which Hydra has not started."""
    return config_loader(_stored_search_path(directory))


def stored_snapshot(directory: Path, study: str, config: DictConfig) -> Snapshot:
    """The snapshot in a study's folder, for a process in which Hydra has not started.

    Args:
        config: the configuration that the study began with.
    """
    lines = [line for line in hydra_overrides(config) if not line.startswith("hydra.searchpath=")]
    return Snapshot(_stored_search_path(directory), config.hydra.job.config_name, lines, study, str(directory))


def _stored_search_path(directory: Path) -> list[tuple[str, str]]:
    """(provider, path) of the copies in a study's folder, and of Hydra's own configuration."""
    Plugins.instance()  # registers the readers of pkg:// and file://
    copies = sorted((directory / "conf").glob("*_*"), key=lambda copy: int(copy.name.partition("_")[0]))
    copied = [(copy.name.partition("_")[2], f"file://{copy}") for copy in copies]
    return [("hydra", "pkg://hydra.conf"), *copied, ("schema", "structured://")]


def mask_run_config() -> None:
    """Replace the passwords in the files that Hydra has written into the folder of this run, which has just begun."""
    hydra = HydraConfig.get()
    if hydra.output_subdir is None:
        return
    mask_files(Path(hydra.runtime.output_dir, hydra.output_subdir))


def mask_files(folder: Path) -> None:
    """Replace the passwords in the YAML files of this folder."""
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if (masked := files.without_passwords(text)) != text:
            files.write_text(path, masked)


def _folder(path: str) -> Path | None:
    """The folder that a source reads; None for another kind of source and for Hydra's own."""
    scheme, _, rest = path.rpartition("://")
    if scheme in ("", "file") and rest and Path(rest).is_dir():
        return Path(rest)
    if scheme == "pkg" and not rest.startswith("hydra."):
        module, *inner = rest.replace("/", ".").split(".")
        spec = importlib.util.find_spec(module)
        folders = [Path(location, *inner) for location in (spec and spec.submodule_search_locations) or []]
        return next(filter(Path.is_dir, folders), None)
    return None


def _copy_yaml(source: Path, target: Path) -> None:
    """Copy the YAML files of a folder tree, without hidden ones (an editor's locks), pipes and folders of outputs."""
    target.mkdir()
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name not in OUTPUT_FOLDERS and not name.startswith(".")]
        for name in names:
            if name.endswith((".yaml", ".yml")) and not name.startswith(".") and (Path(folder) / name).is_file():
                copy = target / Path(folder).relative_to(source) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(folder) / name, copy)
                text = copy.read_text(encoding="utf-8", errors="replace")
                if files.without_passwords(text) != text:  # the trials need it
                    copy.chmod(0o600)


def plain_config(config: DictConfig) -> dict[str, Any]:
    """The application's configuration as JSON values, without Hydra's own section, interpolations unresolved."""
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return {str(key): _json_value(value) for key, value in container.items() if key != "hydra"}


def _json_value(value: Any) -> Any:
    """The same value after writing and reading it as JSON: an Enum, a Path, bytes and NaN as text."""
    match value:
        case dict():
            return {str(_json_value(key)): _json_value(inner) for key, inner in value.items()}
        case list():
            return [_json_value(inner) for inner in value]
        case Enum():
            return value.name
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
    return str(value)
