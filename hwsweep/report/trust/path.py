"""The ablation path from the defaults to the best point, as a random forest over the trials predicts it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from omegaconf import OmegaConf

from hwsweep.report.naming import short_name, value_text
from hwsweep.report.trust.forest import Forest, Step
from hwsweep.report.trust.points import Points
from hwsweep.sweep.study.view import StudyView


class Path(NamedTuple):
    """The way from the defaults to the best point."""

    best: int
    """The trial's number."""
    first: float
    """The prediction at the defaults, as a value of the objective."""
    steps: list[Step]
    names: list[str]
    """Of the changes: "lr = 0.01"."""
    moved: list[str]
    """Sentences about defaults outside of the searched interval."""

    @property
    def start(self) -> str:
        """What the first prediction is of."""
        return "defaults, moved to the bounds" if self.moved else "defaults"


def path_to_best(view: StudyView, points: Points, forest: Forest) -> Path | None:
    """None where a default is no value that a trial could have, and where the best point is the default."""
    best = next((trial for trial in view.ranked_trials if trial in points.trials), None)
    defaults = [_default(view, key.name) for key in points.keys]
    try:
        start = np.array([key.places([value])[0] for key, value in zip(points.keys, defaults, strict=True)])
    except ValueError:
        return None
    if best is None:
        return None
    moved = [
        f" The default {short_name(key.name)} = {value_text(value)} lies outside of the searched interval "
        f"{key.low:.4g} to {key.high:.4g}; the path begins at the nearer bound."
        for key, value in zip(points.keys, defaults, strict=True)
        if key.is_outside(value)
    ]
    end = np.array([key.places([best.params[key.name]])[0] for key in points.keys])
    first, steps = forest.ablation(start, end)
    steps = [step._replace(prediction=points.signs[0] * step.prediction) for step in steps]
    changed = [points.keys[step.column].name for step in steps]
    names = [f"{short_name(name)} = {value_text(best.params[name])}" for name in changed]
    return Path(best.number, points.signs[0] * first, steps, names, moved) if steps else None


def _default(view: StudyView, name: str) -> object:
    """The value that the key has without the sweep; the choice of a config group."""
    choices = OmegaConf.select(view.config, "hydra.runtime.choices") or {}
    return choices[name] if name in choices else OmegaConf.select(view.config, name)
