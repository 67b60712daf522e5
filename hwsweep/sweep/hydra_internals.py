"""Every name of Hydra that begins with an underscore or lies in hydra._internal, and what breaks without it."""

from __future__ import annotations

from collections.abc import Iterable

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig


def config_loader(search_path: Iterable[tuple[str, str]]) -> ConfigLoader:
    """Hydra's loader over these configuration sources, each (provider, path).

    Without ConfigLoaderImpl and ConfigSearchPathImpl no trial is composed from the study's copies of the YAML files.
    """
    path = ConfigSearchPathImpl()
    for provider, source in search_path:
        path.append(provider, source)
    return ConfigLoaderImpl(config_search_path=path)


def apply_overrides(overrides: list[Override], config: DictConfig) -> None:
    """Set the overrides in a composed configuration, with Hydra's rules for `+`, `++` and `~`.

    Without ConfigLoaderImpl._apply_overrides_to_config each check of a point composes everything, ten times slower.
    """
    ConfigLoaderImpl._apply_overrides_to_config(overrides, config)
