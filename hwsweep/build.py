"""From the composed config to the objects of a run, checked before any work."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from hwsweep.analysis import Analysis
from hwsweep.data import Dataset, Lexicon, Splits
from hwsweep.models import Model
from hwsweep.training.loop import TrainingPlan
from hwsweep.training.schedules import Schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""What conf/optimizer/*.yaml instantiates."""
Analyse = Callable[[Model, Splits, str], Analysis]
"""What conf/analysis/*.yaml instantiates: a function of the model, the data and the digest of the data."""
MODEL_KEYS = ("objective", "select", "table", "title", "analysis", "figures")
"""What each conf/model/*.yaml sets beside `model`."""


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
    with _errors_as_invalid_config():
        dataset, model, make_optimizer, schedule, plan = _prepare(cfg, splits)
        figures = {str(name): _figure(node) for name, node in cfg.figures.items()}
        optimizer = make_optimizer(model.parameters())
        return Components(dataset, model, optimizer, schedule, plan, instantiate(cfg.analysis), figures)


def check(cfg: DictConfig) -> None:
    """Check a point of a sweep as `build` does. Makes no optimizer: for the first one torch imports its compiler, 2 s.

    Raises:
        InvalidConfig: as `build` does.
    """
    with _errors_as_invalid_config():
        _prepare(cfg, None)


def _prepare(cfg: DictConfig, splits: Splits | None) -> tuple[Dataset, Model, OptimizerFactory, Schedule, TrainingPlan]:
    """The fields of `Components`, with a factory in place of the optimizer."""
    if missing := [key for key in MODEL_KEYS if key not in cfg]:
        raise ValueError(f"conf/model/*.yaml must set {', '.join(MODEL_KEYS)}, but the chosen model lacks {missing[0]}")
    plan = TrainingPlan(
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        clip_norm=cfg.clip_norm,
        precision=cfg.precision,
        seed=_seed(cfg.seed),
        select=cfg.select,
    )
    objectives(cfg)
    device = _device(cfg.device)
    dataset: Dataset = instantiate(cfg.dataset)
    torch.manual_seed(plan.seed)
    model = _model(cfg, dataset, None if splits is None else splits.lexicon).to(device)
    return dataset, model, instantiate(cfg.optimizer), instantiate(cfg.schedule), plan


def _figure(node: DictConfig) -> RunFigure:
    info = instantiate(node)
    return RunFigure(importlib.import_module(str(node["_target_"]).rpartition(".")[0]), info)


def build_model(cfg: DictConfig, lexicon: Lexicon | None = None) -> Model:
    """The untrained model of a run, from the run's composed config and, of texts, its lexicon; on the CPU."""
    return _model(cfg, instantiate(cfg.dataset), lexicon)


def _model(cfg: DictConfig, dataset: Dataset, lexicon: Lexicon | None) -> Model:
    model: Model = instantiate(cfg.model)(dataset.shapes if lexicon is None else lexicon.shapes)
    return model


def objectives(cfg: DictConfig) -> list[str]:
    """The metrics that a study compares: conf's `objective`, one name or a list with a `direction` for each.

    Raises:
        InvalidConfig: there are more or fewer directions than objectives.
    """
    names = _as_list(cfg.objective)
    if len(_as_list(cfg.direction)) != len(names):
        raise InvalidConfig(
            f"`direction` must name minimize or maximize for each objective, but got direction={cfg.direction} for "
            f"objective={cfg.objective}; for instance 'objective=[valid/rate,valid/distortion]' "
            f"'direction=[minimize,minimize]'"
        )
    return names


def flatten(cfg: DictConfig) -> dict[str, str]:
    """Every value of the config by its name on the command line; a list is one value."""

    def walk(node: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from walk(value, f"{name}.{key}" if name else str(key))
        else:
            yield name, "null" if node is None else str(node)

    return dict(walk(OmegaConf.to_container(cfg, resolve=True), ""))


@contextmanager
def _errors_as_invalid_config() -> Iterator[None]:
    """Turn errors about a value that are raised inside into InvalidConfig."""
    try:
        yield
    except InstantiationException as error:
        raise InvalidConfig(str(error.__cause__ or error)) from error
    except (ValueError, TypeError) as error:
        raise InvalidConfig(str(error)) from error


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _seed(seed: Any) -> int:
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"`seed` must be a whole number in [0, 2^63), but got {seed!r}")
    return seed


def _device(name: str) -> torch.device:
    """The device that `name` means; "auto" is CUDA, else MPS, else the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kinds = [kind for kind, is_available in available.items() if is_available]
    if name == "auto":
        return torch.device(kinds[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"`device` must be auto, cpu, cuda, cuda:N or mps, but got {name!r}") from None
    if device.type not in kinds:
        raise ValueError(f"`device={name}` is not on this machine, which has {', '.join(kinds)}; or set `device=auto`")
    return device
