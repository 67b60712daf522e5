"""The single objects that sections of a config describe: a component, a figure, the model, the device."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from hwsweep.argument_checks import check_settings
from hwsweep.components.config_values import check_types, first_line, section
from hwsweep.data import Dataset, Lexicon
from hwsweep.hydra_versions import instantiate
from hwsweep.models import Model
from hwsweep.models.embedding import RowParameter

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""What conf/optimizer/*.yaml instantiates."""
MAX_SHOWN = 1000
"""Largest number of images, columns or texts that a figure may show, and of bins in an analysis."""


class RunFigure(NamedTuple):
    """A figure that conf names."""

    module: ModuleType
    info: Callable[..., Any]
    """Computes the data of the figure from the trained run."""


def component(cfg: DictConfig, key: str) -> Any:
    """What the section `key` describes."""
    node = section(cfg, key)
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, TypeError):
            check_types(cfg)
        if isinstance(cause := error.__cause__, TypeError) and "missing" in str(cause):
            raise ValueError(
                f"`{key}` is incomplete: {cause}; if the run gives it, add +{key}._partial_=true"
            ) from error
        raise


def callable_component(cfg: DictConfig, key: str) -> Any:
    """What the section `key` describes, which a run calls."""
    described = component(cfg, key)
    if not callable(described):
        raise ValueError(
            f"`{key}` must describe a function, but is a {type(described).__name__}; add +{key}._partial_=true"
        )
    return described


def figure(cfg: DictConfig, key: str) -> RunFigure:
    """The figure that the section `key` describes."""
    info = callable_component(cfg, key)
    if isinstance(info, functools.partial):
        check_settings(key, info, 1, MAX_SHOWN)
    target = str(OmegaConf.select(cfg, f"{key}._target_"))
    return RunFigure(importlib.import_module(target.rpartition(".")[0]), info)


def untrained_model(cfg: DictConfig, dataset: Dataset, lexicon: Lexicon | None) -> Model:
    """The model for the sizes of this data, or of its lexicon, on the CPU.

    Raises:
        ValueError: it does not fit into memory, or lacks a setting.
    """
    make = callable_component(cfg, "model")
    try:
        model: Model = make(dataset.shapes if lexicon is None else lexicon.shapes)
    except TypeError as error:
        if "missing" not in str(error):
            raise
        raise ValueError(
            f"`model` is incomplete: {error}; if another version of hwsweep wrote this config, use that version"
        ) from error
    except (RuntimeError, MemoryError, OverflowError) as error:  # torch's words about tensors that are too large
        raise ValueError(f"the model cannot be made with these sizes: {first_line(error)}") from error
    return model


def check_optimizer(make: OptimizerFactory, model: Model) -> None:
    """Refuse a class of torch that cannot take the model's sparse gradients; ours can."""
    if not isinstance(make, functools.partial) or make.func is torch.optim.SGD:
        return
    if any(isinstance(parameter, RowParameter) for parameter in model.parameters()):
        raise ValueError(
            f"`optimizer` must take sparse gradients where `embedding.sparse=true`, but {make.func.__name__} does not; "
            f"choose adam, adamw or sgd of conf/optimizer, or set `embedding.sparse=false`"
        )


def device_named(name: Any) -> torch.device:
    """The device that `name` means; "auto" is CUDA, else MPS, else the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kinds = [kind for kind, is_available in available.items() if is_available]
    if name == "auto":
        return torch.device(kinds[0])
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise ValueError(f"`device` must be auto, cpu, cuda, cuda:N or mps, but got {name!r}") from None
    if device.type not in kinds:
        raise ValueError(f"`device={name}` is not on this machine, which has {', '.join(kinds)}; or set `device=auto`")
    if device.type == "cuda" and (device.index or 0) >= (n_gpus := torch.cuda.device_count()):
        gpus = ", ".join(f"cuda:{number}" for number in range(n_gpus))
        raise ValueError(f"`device={name}` is not on this machine, which has {gpus}; or set `device=auto`")
    return device
