"""What of Hydra and OmegaConf may change in any version: private names, and the text of an error; what breaks then."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import ChoiceSweep, Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.resolvers import oc

from hwsweep.hydra_versions import without_whitelist_warnings


def config_loader(search_path: Iterable[tuple[str, str]]) -> ConfigLoader:
    """Hydra's loader over these configuration sources, each (provider, path).

    Without ConfigLoaderImpl and ConfigSearchPathImpl no trial is composed from the study's copies of the YAML files.
    """
    path = ConfigSearchPathImpl()
    for provider, source in search_path:
        path.append(provider, source)
    return ConfigLoaderImpl(config_search_path=path)


def application_loader(folder: str) -> ConfigLoader:
    """Hydra's loader for an application whose configuration lies in this folder, with the sources of all plugins.

    Without ConfigLoaderImpl and create_config_search_path no sweep begins from Python.
    """
    return ConfigLoaderImpl(config_search_path=create_config_search_path(folder))


def callbacks_of(config: DictConfig) -> Callbacks:
    """The callbacks that the configuration names.

    Without Callbacks a sweep from Python calls none of them.
    """
    with without_whitelist_warnings():
        return Callbacks(config)


def apply_overrides(overrides: list[Override], config: DictConfig) -> None:
    """Set the overrides in a composed configuration, with Hydra's rules for `+`, `++` and `~`.

    Without ConfigLoaderImpl._apply_overrides_to_config each check of a point composes everything, ten times slower.
    """
    ConfigLoaderImpl._apply_overrides_to_config(overrides, config)


@contextmanager
def runs_replaced(error: BaseException) -> Iterator[None]:
    """Raise the error where the program would begin a run or a sweep inside.

    Without Hydra.run and Hydra.multirun a script without `if __name__ == "__main__":` would sweep in each trial again.
    """

    def stop(*_: object, **__: object) -> None:
        raise error

    originals = Hydra.run, Hydra.multirun
    Hydra.run = Hydra.multirun = stop  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Hydra.run, Hydra.multirun = originals  # type: ignore[method-assign]


def resolvers() -> dict[str, Any]:
    """OmegaConf's resolvers by name.

    Without BaseContainer._resolvers a trial lacks those that a program registers under `if __name__ == "__main__":`.
    """
    return dict(BaseContainer._resolvers)


def add_resolvers(added: Mapping[str, Any]) -> None:
    """Add those resolvers whose names are free. Without BaseContainer._resolvers the same is missing."""
    for name, resolver in added.items():
        BaseContainer._resolvers.setdefault(name, resolver)


def replace_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register a resolver over that of the same name.

    OmegaConf 2.4 warns of register_new_resolver and has register_resolver, which in 2.3 is something else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        OmegaConf.register_new_resolver(name, resolver, replace=True)


@contextmanager
def environment_as_written() -> Iterator[None]:
    """Resolve `${oc.env:NAME}` to its own text inside."""

    def written(*arguments: object) -> str:
        return f"${{oc.env:{','.join(map(str, arguments))}}}"

    replace_resolver("oc.env", written)
    try:
        yield
    finally:
        replace_resolver("oc.env", oc.env)


def null_choice(overrides: Iterable[Override], loader: ConfigLoader) -> str | None:
    """What to write instead, in one line, where an override sets a config group to null; None if none does.

    Hydra ends with a traceback there. If it gets a message of its own, this one is not needed.
    """
    for override in overrides:
        group, value = override.key_or_group, override.value()
        if override.is_delete() or None not in (value.list if isinstance(value, ChoiceSweep) else [value]):
            continue
        if options := loader.get_group_options(group):
            way = f"write {group}=none" if "none" in options else "leave it out for its default"
            if group.startswith("hydra/sweeper/"):
                way = f"write {group.replace('/', '.')}=null"
            return f"`{group}` must be one of {', '.join(options)}, but got null; {way}"
    return None


def did_you_mean(error: BaseException | None, config: DictConfig) -> str:
    """A line with the key of `config` that is nearest to the one that Hydra's error calls unknown; else an empty text.

    A key whose last part is the same is nearer than any other: `optimizer.lr` for `lr`. Hydra's error has no field with
    the key. If its text changes, there is no suggestion.
    """
    match = re.search(r"Could not (?:override|delete from config\.) '([^']+)'", str(error))
    if match is None:
        return ""
    key, known = match[1], [*_keys(OmegaConf.to_container(config)), *config.hydra.runtime.choices]
    same = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    nearest = difflib.get_close_matches(key, same or known, n=1, cutoff=0.0 if same else 0.6)
    return f"did you mean {nearest[0]}?" if nearest else ""


def _keys(section: Any, prefix: str = "") -> Iterator[str]:
    """Each key of the section and of those in it, as on the command line."""
    for name, value in section.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
