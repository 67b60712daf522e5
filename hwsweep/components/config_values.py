"""The values of a composed config: that each is possible, what each is called on the command line."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hwsweep.argument_checks import check_type, is_object, parameter_types
from hwsweep.sweep.hydra_internals import environment_as_written
from hwsweep.training import checkpoint

REPETITION = re.compile(r"\$\{[^:{}]+\}")
"""An interpolation of another key, without a resolver: "${vae.lambda}"."""


class InvalidConfig(Exception):
    """A value of the config is not possible; the message says which, and what is."""

    failure_reason = "invalid-config"


@contextmanager
def errors_as_invalid_config() -> Iterator[None]:
    """Turn errors about a value that are raised inside into InvalidConfig."""
    try:
        yield
    except OmegaConfBaseException as error:
        key = f"`{error.full_key}`: " if error.full_key else ""
        raise InvalidConfig(f"{key}{first_line(error)}") from error
    except InstantiationException as error:
        raise InvalidConfig(first_line(error.__cause__ or error)) from error
    except (ValueError, TypeError) as error:
        raise InvalidConfig(first_line(error)) from error


def check_values(cfg: DictConfig) -> None:
    """Check that every value is given and every interpolation has one, and what no component checks."""
    OmegaConf.to_container(cfg, resolve=True)
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ValueError(f"`{missing[0]}` must be given: add {missing[0]}=...")
    _check_sections(cfg)
    for key in ("initialise", "study"):
        if cfg.get(key) is not None:
            section(cfg, key)
    if not isinstance(figures := cfg.get("figures"), DictConfig | NoneType):
        raise ValueError(f"`figures` must be a section of figures, or null, but got {figures!r}")
    for key in ("title", "tracking.experiment"):
        value = OmegaConf.select(cfg, key)
        if not isinstance(value, str) or not value:
            raise ValueError(f"`{key}` must be a text, but got {value!r}")
    if cfg.resume is not None:
        checkpoint.find(str(cfg.resume))
    if (init := cfg.get("init")) is not None:  # configs of older versions lack it
        checkpoint.find_weights(str(init))
    if cfg.resume is not None and init is not None:
        raise ValueError("`resume` takes the weights and all else from a run, `init` the weights alone; give one")


def _check_sections(cfg: DictConfig) -> None:
    """Check that each class and function of hwsweep gets sections where it takes objects."""
    for key, value, kinds in _arguments(cfg):
        if any(map(is_object, kinds)) and not (value is None and NoneType in kinds):
            section(cfg, key)


def check_types(cfg: DictConfig) -> None:
    """Check that each text, number and yes or no is one; after the checks of the components, which say more."""
    for key, value, kinds in _arguments(cfg):
        check_type(key, value, kinds)


def _arguments(cfg: DictConfig) -> Iterator[tuple[str, Any, tuple[object, ...]]]:
    """Key, value and possible types of each setting that conf gives to a class or a function of hwsweep."""

    def walk(written: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any, tuple[object, ...]]]:
        for name, value in written.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{name}.")
        module, _, function = str(written.get("_target_")).rpartition(".")
        if not module.startswith("hwsweep."):
            return
        try:
            types = parameter_types(getattr(importlib.import_module(module), function))
        except (ImportError, AttributeError):  # Hydra says so when it looks for it
            return
        names = {name for name in written if not str(name).startswith("_")}
        if types is not None and not written.get("_partial_") and (unknown := sorted(names - types.keys())):
            section = prefix.removesuffix(".")
            raise ValueError(
                f"`{prefix}{unknown[0]}` is no setting of {section}={function}, which has: "
                f"{', '.join(types) or 'none'}; leave it out with ~{prefix}{unknown[0]}"
            )
        for name in names & (types or {}).keys():
            source = re.fullmatch(r"\$\{([\w.]+)\}", str(written[name]))  # the key that a user sets
            value = OmegaConf.select(cfg, f"{prefix}{name}")
            yield source[1] if source else f"{prefix}{name}", value, (types or {})[name]

    container = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(container, dict)
    return walk({str(key): value for key, value in container.items() if key != "hydra"}, "")


def section(cfg: DictConfig, key: str) -> DictConfig:
    """The section `key`, which says with `_target_` what it describes.

    Raises:
        ValueError: it is none.
    """
    node = OmegaConf.select(cfg, key)
    if not isinstance(node, DictConfig) or not isinstance(node.get("_target_"), str):
        raise ValueError(f"`{key}` must be a section with a `_target_`, but got {node!r}")
    return node


def objectives(cfg: DictConfig) -> list[str]:
    """The metrics that a study compares: conf's `objective`, one name or a list with a `direction` for each.

    Raises:
        InvalidConfig: there are more or fewer directions than objectives.
    """
    names, directions = metric_names(cfg, "objective"), metric_names(cfg, "direction")
    if len(directions) != len(names) or not {"minimize", "maximize"}.issuperset(directions):
        raise InvalidConfig(
            f"`direction` must name minimize or maximize for each objective, but got direction={cfg.direction} for "
            f"objective={cfg.objective}; for instance 'objective=[valid/rate,valid/distortion]' "
            f"'direction=[minimize,minimize]'"
        )
    return names


def metric_names(cfg: DictConfig, key: str) -> list[str]:
    """The name or the list of names that conf gives under `key`."""
    value = cfg[key]
    names = list(value) if isinstance(value, ListConfig) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidConfig(f"`{key}` must be a name or a list of names, but got {value}")
    return names


def flatten(cfg: DictConfig) -> dict[str, str]:
    """The values of the config by their names on the command line; a list is one value.

    A value that repeats another one is left out: of `vae.lambda` and `model.kl_weight: ${vae.lambda}` the second.
    `${oc.env:NAME}` stays as it is, because its value may be a secret.
    """

    def walk(node: Any, written: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(written, str) and REPETITION.search(written):
            return
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from walk(value, written[key], f"{name}.{key}" if name else str(key))
        else:
            yield name, "null" if node is None else str(node)

    with environment_as_written():
        return dict(walk(OmegaConf.to_container(cfg, resolve=True), OmegaConf.to_container(cfg), ""))


def first_line(error: BaseException) -> str:
    """The first line of the error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
