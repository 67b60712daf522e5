"""From the composed config to the objects of a run, checked before any work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig

from hwsweep.analysis import Analysis
from hwsweep.argument_checks import check_choice, check_settings
from hwsweep.components.config_values import (
    check_types,
    check_values,
    errors_as_invalid_config,
    metric_names,
    objectives,
)
from hwsweep.components.sections import (
    MAX_SHOWN,
    OptimizerFactory,
    RunFigure,
    callable_component,
    check_optimizer,
    component,
    device_named,
    figure,
    untrained_model,
)
from hwsweep.data import Dataset, Lexicon, Splits
from hwsweep.hydra_versions import instantiate
from hwsweep.models import Model
from hwsweep.training import checkpoint, trainer
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.precision import choose_algorithms
from hwsweep.training.schedules import Schedule

Analyse = Callable[[Model, Splits, str], Analysis]
"""What conf/analysis/*.yaml instantiates: a function of the model, the data and the digest of the data."""
MODEL_KEYS = ("objective", "select", "table", "title", "analysis")
"""What each conf/model/*.yaml sets beside `model`."""


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
        device = torch.device("cpu") if trainer.is_elsewhere() else device_named(cfg.device)  # the trainer has the GPU
        if device.index is not None and device.type == "cuda":
            torch.cuda.set_device(device)  # that of streams, graphs and noise, too
        # earlier runs have no such setting
        choose_algorithms(device, deterministic=bool(cfg.get("deterministic")))
        model.to(device)
        return Components(dataset, model, make_optimizer(model.parameters()), schedule, plan, analyse, figures)


def check(cfg: DictConfig) -> None:
    """Check a point of a sweep as `build` does.

    Makes none of our optimizers, which have checked their settings: for the first one torch imports its compiler, 2 s.
    The model stays on the CPU: a sweep that uses a GPU itself takes memory from its trials.

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
    """The fields of `Components`, with a factory in place of the optimizer, and the model on the CPU."""
    if missing := [key for key in MODEL_KEYS if key not in cfg]:
        raise ValueError(f"conf/model/*.yaml must set {', '.join(MODEL_KEYS)}, but the chosen model lacks {missing[0]}")
    check_values(cfg)
    plan = TrainingPlan(
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        clip_norm=cfg.clip_norm,
        precision=cfg.precision,
        seed=cfg.seed,
        select=cfg.select,
    )
    objectives(cfg)
    metric_names(cfg, "table")
    if not trainer.is_elsewhere():
        device_named(cfg.device)
    check_choice("deterministic", cfg.get("deterministic", False), (True, False))
    dataset: Dataset = component(cfg, "dataset")
    make_optimizer, schedule, analyse = (callable_component(cfg, key) for key in ("optimizer", "schedule", "analysis"))
    figures = {str(name): figure(cfg, f"figures.{name}") for name in cfg.get("figures") or {}}
    if isinstance(analyse, functools.partial):
        check_settings("analysis", analyse, 3, MAX_SHOWN)
    torch.manual_seed(plan.seed)
    model = untrained_model(cfg, dataset, None if splits is None else splits.lexicon)
    check_optimizer(make_optimizer, model)
    check_types(cfg)
    return dataset, model, make_optimizer, schedule, plan, analyse, figures


def build_model(cfg: DictConfig, lexicon: Lexicon | None = None) -> Model:
    """The untrained model of a run, from the run's composed config and, of texts, its lexicon; on the CPU."""
    return untrained_model(cfg, instantiate(cfg.dataset), lexicon)


def load_model(cfg: DictConfig, weights: Path, lexicon: Lexicon | None = None) -> Model:
    """The trained model of a run, in evaluation mode and on the CPU, with the weights of this checkpoint.

    Nothing is unpickled, but `cfg` names the classes that are called: load only what you trust.
    """
    model = build_model(cfg, lexicon)
    model.load_state_dict(checkpoint.load(weights)["model"])
    return model.eval()
