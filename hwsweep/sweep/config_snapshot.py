"""The configuration as it was at launch: a copy of its YAML files, from which every trial is composed."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override

from hwsweep import files

OUTPUTS = {"outputs", "multirun", "mlruns", "node_modules", "__pycache__"}
"""Folders beside an application that hold no configuration of its own, but perhaps many YAML files."""


class Snapshot(NamedTuple):
    """All that composes a trial, whatever happens to the original files."""

    search_path: list[tuple[str, str]]
    """(provider, path) of Hydra's configuration sources, pointing at the copies."""
    config_name: str | None
    hydra_overrides: list[str]
    study: str
    directory: str

    def loader(self) -> ConfigLoader:
        """Hydra's loader over the copies."""
        search_path = ConfigSearchPathImpl()
        for provider, path in self.search_path:
            search_path.append(provider, path)
        return ConfigLoaderImpl(config_search_path=search_path)

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration for these overrides, as it was at launch."""
        config = self.loader().load_configuration(
            self.config_name, [*self.hydra_overrides, *overrides], run_mode=RunMode.RUN
        )
        self.place(config)
        return config

    def place(self, config: DictConfig) -> None:
        """Put the study's name and folder where the configuration looks for them."""
        with flag_override(config.hydra, ["readonly", "struct"], False):
            config.hydra.sweeper.study_name = self.study
            config.hydra.sweep.dir = self.directory


def take_snapshot(loader: ConfigLoader, config: DictConfig, study: str, directory: Path) -> Snapshot:
    """Copy the sources of the configuration into the study's folder, once; an existing copy stays."""
    target = directory / "conf"
    if not target.exists():
        with files.whole(target) as part:
            part.mkdir()
            for number, (provider, path) in enumerate(_sources(loader, config)):
                if (folder := _folder(path)) is not None:
                    _copy_yaml(folder, part / f"{number}_{provider}")
    return describe(loader, config, study, directory)


def describe(loader: ConfigLoader, config: DictConfig, study: str, directory: Path) -> Snapshot:
    """The snapshot that lies in the study's folder, for the command that composed `config`."""
    placed: list[tuple[str, str]] = []
    added: list[str] = []
    for number, (provider, path) in enumerate(_sources(loader, config)):
        copy = directory / "conf" / f"{number}_{provider}"
        frozen = f"file://{copy}" if copy.exists() else path
        if provider == "hydra.searchpath":
            added.append(frozen)
        else:
            placed.append((provider, frozen))
    overrides = [line for line in config.hydra.overrides.hydra if not line.startswith("hydra.searchpath=")]
    if added:
        overrides.append("hydra.searchpath=[" + ",".join(f"'{path}'" for path in added) + "]")
    return Snapshot(placed, config.hydra.job.config_name, overrides, study, str(directory))


def _sources(loader: ConfigLoader, config: DictConfig) -> list[tuple[str, str]]:
    """(provider, path) of every configuration source, in order."""
    placed = [(element.provider, element.path or "") for element in loader.get_search_path().get_path()]
    extra = OmegaConf.select(config, "hydra.searchpath") or []
    return [*placed, *(("hydra.searchpath", str(path)) for path in extra)]


def _folder(path: str) -> Path | None:
    """The folder that a source reads; None for one that is no folder, or Hydra's own."""
    scheme, separator, rest = path.partition("://")
    if not separator:
        return Path(path) if path and Path(path).is_dir() else None
    if scheme == "file":
        return Path(rest) if Path(rest).is_dir() else None
    if scheme == "pkg" and not rest.startswith("hydra."):
        module, *inner = rest.replace("/", ".").split(".")
        spec = importlib.util.find_spec(module)
        for location in (spec and spec.submodule_search_locations) or []:
            if (folder := Path(location, *inner)).is_dir():
                return folder
    return None


def _copy_yaml(source: Path, target: Path) -> None:
    """Copy the YAML files of a folder tree, leaving out hidden folders and what programs put out."""
    target.mkdir()
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name not in OUTPUTS and not name.startswith(".")]
        for name in names:
            if name.endswith((".yaml", ".yml")):
                copy = target / Path(folder).relative_to(source) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(folder) / name, copy)


def plain_config(config: DictConfig) -> dict[str, Any]:
    """The application's configuration as plain values, without Hydra's own, interpolations unresolved."""
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items() if key != "hydra"}


def save_multirun(config: DictConfig, directory: Path) -> None:
    """Write multirun.yaml, as Hydra's own sweepers do."""
    files.write_text(directory / "multirun.yaml", OmegaConf.to_yaml(config))
