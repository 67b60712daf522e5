"""Which trials may train as one."""

from __future__ import annotations

import json

from omegaconf import DictConfig, OmegaConf

from hwsweep.models import Model, Stackable

OF_EACH_TRAINING = ("seed", "optimizer.lr", "optimizer.weight_decay", "optimizer.momentum")
"""Keys in which trials may differ whatever their model: each has its own optimizer, order and noise."""
SECTIONS = ("model", "optimizer", "dataset", "batch_size", "precision", "deterministic")
"""What a step of training depends on beside the data. Epochs, schedule and clipping are of each training."""


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
