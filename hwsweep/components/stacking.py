"""What a trial sends to the process that trains its model, and which trials may train as one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from hwsweep.components import Components
from hwsweep.data import Splits
from hwsweep.models import Model, Stackable
from hwsweep.training.trainer import Work

OF_EACH_TRAINING = ("seed", "optimizer.lr", "optimizer.weight_decay", "optimizer.momentum")
"""Keys in which trials may differ whatever their model: each has its own optimizer, order and noise."""
SECTIONS = ("model", "optimizer", "dataset", "batch_size", "precision", "deterministic")
"""What a step of training depends on beside the data. Epochs, schedule and clipping are of each training."""


def work_for_trainer(
    cfg: DictConfig, components: Components, splits: Splits, checkpoints: Path, resume: Path | None
) -> Work:
    """The training that the components describe; its noise goes on from that of this process."""
    return Work(
        group=stack_group(cfg, components.model),
        device=str(cfg.device),
        model=components.model,
        optimizer=components.optimizer,
        schedule=components.schedule,
        plan=components.plan,
        folder=checkpoints.absolute(),  # the trainer may have another working directory
        resume=None if resume is None else resume.absolute(),
        noise=torch.get_rng_state(),
        digest=splits.digest(),
        deterministic=bool(cfg.get("deterministic")),
    )


def stack_group(cfg: DictConfig, model: Model) -> str | None:
    """A text that is equal for trials that may train as one; None if the model trains alone."""
    if not isinstance(model, Stackable):
        return None
    same = cfg.copy()
    for key in (*model.numbers(), *OF_EACH_TRAINING):
        if OmegaConf.select(same, key) is not None:
            OmegaConf.update(same, key, 0, force_add=True)
    sections = {name: OmegaConf.select(same, name) for name in SECTIONS}
    plain = {
        name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for name, value in sections.items()
    }
    return json.dumps(plain, sort_keys=True, default=str)
