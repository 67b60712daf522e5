"""Views of studies that Optuna ran itself, without a sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial

from hwsweep.sweep.outcome import Outcome
from hwsweep.sweep.study.trial_view import STATES, RunView, TrialView
from hwsweep.sweep.study.view import StudyView

Times = Sequence[tuple[float, float]]
"""Start and end of each run of a trial, in seconds."""


def searched(
    objective: Callable[[Trial], Any],
    n_trials: int,
    *,
    directions: Sequence[str] = ("minimize",),
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
    points: Sequence[dict[str, Any]] = (),
) -> optuna.Study:
    """A study after `n_trials` of this objective; a ValueError is a failed trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = sampler or optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=list(directions), sampler=sampler, pruner=pruner)
    for point in points:
        study.enqueue_trial(point)
    study.optimize(objective, n_trials=n_trials, catch=(ValueError,))
    return study


def bowl(trial: Trial) -> float:
    """Least at lr = 0.01, width = 8, model a; trial 3 fails, and slow ones are pruned."""
    lr = trial.suggest_float("optimizer.lr", 1e-4, 1, log=True)
    width, model = trial.suggest_int("vae.width", 2, 13), trial.suggest_categorical("model", ["a", "b", "c$^"])
    if trial.number == 3:
        raise ValueError
    value = (math.log10(lr) + 2) ** 2 + abs(width - 8) / 10 + {"a": 0, "b": 1}.get(model, 2)
    for epoch in (1, 2, 5):
        trial.report(value + 1 / epoch, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def view_of(study: optuna.Study, names: str | list[str] | None = None, times: Sequence[Times] = ()) -> StudyView:
    """The study as the engine shows it; categorical parameters have listed values."""
    trials = study.trials
    distributions = {key: spread for trial in trials for key, spread in trial.distributions.items()}
    return StudyView(
        name="planted",
        directory=Path("planted"),
        command=[],
        config=OmegaConf.create({"objective": names}),
        axes={key: s.choices if isinstance(s, CategoricalDistribution) else None for key, s in distributions.items()},
        trials=[_trial(trial, times[trial.number] if times else ()) for trial in trials],
        directions=[direction.name.lower() for direction in study.directions],
        log_keys=frozenset(key for key, spread in distributions.items() if getattr(spread, "log", False)),
    )


def _trial(trial: optuna.trial.FrozenTrial, times: Times) -> TrialView:
    state: Any = STATES[trial.state.name]
    folder = Path("planted") / str(trial.number)
    runs = [RunView(folder, Outcome(state, [], None, end - start, end), {}, None) for start, end in times]
    runs = runs or [RunView(folder, None, {}, None)]
    values = [] if state != "complete" else list(trial.values or [])
    failure = {"reason": "error", "message": "planted"} if state == "failed" else None
    return TrialView(
        trial.number, dict(trial.params), state, values, Path(), math.nan, failure, {}, None, [], [], runs,
        reported=trial.intermediate_values, record=trial,
    )  # fmt: skip
