"""From the composed config to the objects of a run, checked before any work."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from hwsweep.analysis import Analysis
from hwsweep.argument_checks import check_settings, check_type, is_object, parameter_types
from hwsweep.data import Dataset, Lexicon, Splits
from hwsweep.hydra_versions import instantiate
from hwsweep.models import Model
from hwsweep.models.embedding import RowParameter
from hwsweep.sweep.hydra_internals import environment_as_written
from hwsweep.training import checkpoint
from hwsweep.training.loop import TrainingPlan
from hwsweep.training.schedules import Schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""What conf/optimizer/*.yaml instantiates."""
Analyse = Callable[[Model, Splits, str], Analysis]
"""What conf/analysis/*.yaml instantiates: a function of the model, the data and the digest of the data."""
MODEL_KEYS = ("objective", "select", "table", "title", "analysis", "figures")
"""What each conf/model/*.yaml sets beside `model`."""
MAX_SHOWN = 1000
"""Largest number of images, columns or texts that a figure may show, and of bins in an analysis."""


class InvalidConfig(Exception):
    """A value of the config is not possible; the message says which, and what is."""

    failure_reason = "invalid-config"


class RunFigure(NamedTuple):
    """A figure that conf names."""

    module: ModuleType
    info: Callable[..., Any]
    """Computes the data of the figure from the trained run."""


class Components(NamedTuple):
    """The objects that a config describes."""

    dataset: Dataset
    model: Model
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    plan: TrainingPlan
    analyse: Analyse
    figures: dict[str, RunFigure]


def build(cfg: DictConfig, splits: Splits | None = None) -> Components:
    """The objects that `cfg` describes, on the device and seeded by `cfg.seed`; reads no data.

    Args:
        splits: the data, once it is read. Without it, a model of texts has placeholders for the sizes of its
            vocabulary, which is enough to check the config.

    Raises:
        InvalidConfig: a value is out of range, of the wrong type, or does not fit another.
    """
    with errors_as_invalid_config():
        dataset, model, make_optimizer, schedule, plan, analyse, figures = _prepare(cfg, splits)
        return Components(dataset, model, make_optimizer(model.parameters()), schedule, plan, analyse, figures)


def check(cfg: DictConfig) -> None:
    """Check a point of a sweep as `build` does.

    Makes none of our optimizers, which have checked their settings: for the first one torch imports its compiler, 2 s.

    Raises:
        InvalidConfig: as `build` does.
    """
    with errors_as_invalid_config():
        _, model, make_optimizer, *_ = _prepare(cfg, None)
        if isinstance(make_optimizer, functools.partial):
            make_optimizer(model.parameters())


def _prepare(
    cfg: DictConfig, splits: Splits | None
) -> tuple[Dataset, Model, OptimizerFactory, Schedule, TrainingPlan, Analyse, dict[str, RunFigure]]:
    """The fields of `Components`, with a factory in place of the optimizer."""
    if missing := [key for key in MODEL_KEYS if key not in cfg]:
        raise ValueError(f"conf/model/*.yaml must set {', '.join(MODEL_KEYS)}, but the chosen model lacks {missing[0]}")
    _check_values(cfg)
    plan = TrainingPlan(
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        clip_norm=cfg.clip_norm,
        precision=cfg.precision,
        seed=cfg.seed,
        select=cfg.select,
    )
    objectives(cfg)
    _names(cfg, "table")
    device = _device(cfg.device)
    dataset: Dataset = _component(cfg, "dataset")
    make_optimizer, schedule, analyse = (_callable(cfg, key) for key in ("optimizer", "schedule", "analysis"))
    figures = {str(name): _figure(cfg, f"figures.{name}") for name in cfg.figures or {}}
    if isinstance(analyse, functools.partial):
        check_settings("analysis", analyse, 3, MAX_SHOWN)
    torch.manual_seed(plan.seed)
    model = _model(cfg, dataset, None if splits is None else splits.lexicon).to(device)
    _check_optimizer(make_optimizer, model)
    _check_types(cfg)
    return dataset, model, make_optimizer, schedule, plan, analyse, figures


def _check_values(cfg: DictConfig) -> None:
    """Check that every value is given and every interpolation has one, and what no component checks."""
    OmegaConf.to_container(cfg, resolve=True)
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ValueError(f"`{missing[0]}` must be given: add {missing[0]}=...")
    _check_sections(cfg)
    for key in ("initialise", "study"):
        if cfg.get(key) is not None:
            _section(cfg, key)
    if not isinstance(cfg.figures, DictConfig | NoneType):
        raise ValueError(f"`figures` must be a section of figures, or null, but got {cfg.figures!r}")
    for key in ("title", "tracking.experiment"):
        value = OmegaConf.select(cfg, key)
        if not isinstance(value, str) or not value:
            raise ValueError(f"`{key}` must be a text, but got {value!r}")
    if cfg.resume is not None:
        checkpoint.find(str(cfg.resume))


def _check_sections(cfg: DictConfig) -> None:
    """Check that each class and function of hwsweep gets sections where it takes objects."""
    for key, value, kinds in _arguments(cfg):
        if any(map(is_object, kinds)) and not (value is None and NoneType in kinds):
            _section(cfg, key)


def _check_types(cfg: DictConfig) -> None:
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


def _section(cfg: DictConfig, key: str) -> DictConfig:
    node = OmegaConf.select(cfg, key)
    if not isinstance(node, DictConfig) or not isinstance(node.get("_target_"), str):
        raise ValueError(f"`{key}` must be a section with a `_target_`, but got {node!r}")
    return node


def _component(cfg: DictConfig, key: str) -> Any:
    """What the section `key` describes."""
    node = _section(cfg, key)
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, TypeError):
            _check_types(cfg)
        if isinstance(cause := error.__cause__, TypeError) and "missing" in str(cause):
            raise ValueError(
                f"`{key}` is incomplete: {cause}; if the run gives it, add +{key}._partial_=true"
            ) from error
        raise


def _callable(cfg: DictConfig, key: str) -> Any:
    """What the section `key` describes, which a run calls."""
    component = _component(cfg, key)
    if not callable(component):
        raise ValueError(
            f"`{key}` must describe a function, but is a {type(component).__name__}; add +{key}._partial_=true"
        )
    return component


def _figure(cfg: DictConfig, key: str) -> RunFigure:
    info = _callable(cfg, key)
    if isinstance(info, functools.partial):
        check_settings(key, info, 1, MAX_SHOWN)
    target = str(OmegaConf.select(cfg, f"{key}._target_"))
    return RunFigure(importlib.import_module(target.rpartition(".")[0]), info)


def _check_optimizer(make: OptimizerFactory, model: Model) -> None:
    """Refuse a class of torch that cannot take the model's sparse gradients; ours can."""
    if not isinstance(make, functools.partial) or make.func is torch.optim.SGD:
        return
    if any(isinstance(parameter, RowParameter) for parameter in model.parameters()):
        raise ValueError(
            f"`optimizer` must take sparse gradients where `embedding.sparse=true`, but {make.func.__name__} does not; "
            f"choose adam, adamw or sgd of conf/optimizer, or set `embedding.sparse=false`"
        )


def build_model(cfg: DictConfig, lexicon: Lexicon | None = None) -> Model:
    """The untrained model of a run, from the run's composed config and, of texts, its lexicon; on the CPU."""
    return _model(cfg, instantiate(cfg.dataset), lexicon)


def load_model(cfg: DictConfig, weights: Path, lexicon: Lexicon | None = None) -> Model:
    """The trained model of a run, in evaluation mode and on the CPU, with the weights of this checkpoint.

    Nothing is unpickled, but `cfg` names the classes that are called: load only what you trust.
    """
    model = build_model(cfg, lexicon)
    model.load_state_dict(checkpoint.load(weights)["model"])
    return model.eval()


def _model(cfg: DictConfig, dataset: Dataset, lexicon: Lexicon | None) -> Model:
    make = _callable(cfg, "model")
    try:
        model: Model = make(dataset.shapes if lexicon is None else lexicon.shapes)
    except (RuntimeError, MemoryError, OverflowError) as error:  # torch's words about tensors that are too large
        raise ValueError(f"the model cannot be made with these sizes: {_line(error)}") from error
    return model


def objectives(cfg: DictConfig) -> list[str]:
    """The metrics that a study compares: conf's `objective`, one name or a list with a `direction` for each.

    Raises:
        InvalidConfig: there are more or fewer directions than objectives.
    """
    names, directions = _names(cfg, "objective"), _names(cfg, "direction")
    if len(directions) != len(names) or not {"minimize", "maximize"}.issuperset(directions):
        raise InvalidConfig(
            f"`direction` must name minimize or maximize for each objective, but got direction={cfg.direction} for "
            f"objective={cfg.objective}; for instance 'objective=[valid/rate,valid/distortion]' "
            f"'direction=[minimize,minimize]'"
        )
    return names


def flatten(cfg: DictConfig) -> dict[str, str]:
    """Every value of the config by its name on the command line; a list is one value.

    `${oc.env:NAME}` stays as it is, because its value may be a secret.
    """

    def walk(node: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from walk(value, f"{name}.{key}" if name else str(key))
        else:
            yield name, "null" if node is None else str(node)

    with environment_as_written():
        return dict(walk(OmegaConf.to_container(cfg, resolve=True), ""))


@contextmanager
def errors_as_invalid_config() -> Iterator[None]:
    """Turn errors about a value that are raised inside into InvalidConfig."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise InvalidConfig(f"`{error.full_key}`: {_line(error)}" if error.full_key else _line(error)) from error
    except InstantiationException as error:
        raise InvalidConfig(_line(error.__cause__ or error)) from error
    except (ValueError, TypeError) as error:
        raise InvalidConfig(_line(error)) from error


def _line(error: BaseException) -> str:
    """The first line of the error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _names(cfg: DictConfig, key: str) -> list[str]:
    """The name or the list of names that conf gives under `key`."""
    value = cfg[key]
    names = list(value) if isinstance(value, ListConfig) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidConfig(f"`{key}` must be a name or a list of names, but got {value}")
    return names


def _device(name: Any) -> torch.device:
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
    return device
