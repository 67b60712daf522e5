"""The section "How far to trust the search" of a study's page: sentences, figures, and columns of results.csv."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from hwsweep.report.model_study import StudyFigure
from hwsweep.report.naming import command_line, short_name, subset, value_text
from hwsweep.report.trust import overtuning, pruner, winner
from hwsweep.report.trust.forest import MAX_TRIALS, Forest
from hwsweep.report.trust.importance import COVERAGE, Importance
from hwsweep.report.trust.importance import importances as shares
from hwsweep.report.trust.space import Key, columns_of, keys_of
from hwsweep.sweep.study.view import StudyView, TrialView

TRUST = "How far to trust the search"
MIN_TRIALS = 20
"""Complete trials below which nothing is estimated."""
MAX_PANELS = 9
"""Keys with a partial dependence of their own."""
_SEEDS = "seed=0,1,2"


class Points(NamedTuple):
    """The complete trials of a search with one objective, at most `MAX_TRIALS` of them."""

    trials: list[TrialView]
    keys: list[Key]
    target: NDArray[np.float64]
    """Lower is better."""
    sign: float
    """-1: the objective is maximised, so that its values are -target."""


def points_of(view: StudyView) -> Points | None:
    """The trials that estimates are made from; None for several objectives, or too few trials."""
    trials = _finite(view)
    if len(view.directions) != 1 or len(trials) < MIN_TRIALS:
        return None
    chosen = subset(trials, MAX_TRIALS)
    sign = _sign(view)
    return Points(chosen, keys_of(view, chosen), sign * np.array([trial.values[0] for trial in chosen]), sign)


def importances(view: StudyView) -> list[Importance]:
    """The swept keys whose importance is told from zero, the most important first."""
    points = points_of(view)
    return _importances(points) if points is not None and len(points.keys) > 1 else []


def sentences(view: StudyView) -> list[str]:
    """What the numbers say; empty for several objectives, or fewer than `MIN_TRIALS` complete trials."""
    points = points_of(view)
    if points is None:
        return []
    return [*_overtuning(view), *_importance(points, _sample(view)), *_pruner(view), *_winner(view)]


def columns(view: StudyView) -> dict[int, dict[str, Any]]:
    """Number of a trial -> the incumbent after it, the incumbent's test value and overtuning, for results.csv."""
    found = _splits(view)
    if found is None:
        return {}
    trials, valid, test, name = found
    result = overtuning.overtuning(valid, test)
    rows = zip(trials, result.incumbent, result.excess, strict=True)
    return {
        trial.number: {
            "incumbent": trials[place].number,
            f"incumbent {name}": trials[place].metrics[name],
            "overtuning": float(excess),
        }
        for trial, place, excess in rows
    }


def draw_trust(view: StudyView) -> Iterator[StudyFigure]:
    """The figures of the section, trust_*.png in the study's folder."""
    points = points_of(view)
    if points is None or not points.keys:
        return
    from hwsweep.report.trust import figures  # imports Matplotlib

    found, sample = _importances(points) if len(points.keys) > 1 else [], _sample(view)
    if found:
        path = view.directory / "trust_importances.png"
        figures.draw_importances(found, path)
        caption = f"Each parameter's share of the main effects, with its {COVERAGE:.0%} interval.{sample}"
        yield StudyFigure(path, TRUST, caption, f"{caption} {_listed(found)}.")
    forest = Forest(columns_of(points.keys, points.trials), points.target)
    order = [each.name for each in found]
    ranked = sorted(points.keys, key=lambda key: order.index(key.name) if key.name in order else len(order))
    keys, objective = ranked[:MAX_PANELS], view.objective_names[0]
    dependences = [forest.dependence(points.keys.index(key)) for key in keys]
    path = view.directory / "trust_partial_dependence.png"
    figures.draw_dependences(keys, dependences, points.sign, objective, path)
    caption = (
        "Partial dependence by a random forest: the mean prediction (blue), the middle 90 % of its trees (band) and "
        f"single trials (grey), as one parameter changes.{sample}"
    )
    ranges = [f"{short_name(key.name)} {np.ptp(each.mean):.3g}" for key, each in zip(keys, dependences, strict=True)]
    yield StudyFigure(path, TRUST, caption, f"{caption} The means vary by: {', '.join(ranges)}.")
    yield from _ablation(view, points, forest)


def _ablation(view: StudyView, points: Points, forest: Forest) -> Iterator[StudyFigure]:
    from hwsweep.report.trust import figures

    best = points.trials[int(points.target.argmin())]
    defaults = [_default(view, key.name) for key in points.keys]
    try:
        start = np.array([key.places([value])[0] for key, value in zip(points.keys, defaults, strict=True)])
    except ValueError:  # a default that no trial could have
        return
    end = np.array([key.places([best.params[key.name]])[0] for key in points.keys])
    first, steps = forest.ablation(start, end)
    if not steps:
        return
    steps = [step._replace(prediction=points.sign * step.prediction) for step in steps]
    changed = [points.keys[step.column].name for step in steps]
    names = [f"{short_name(name)} = {value_text(best.params[name])}" for name in changed]
    path = view.directory / "trust_ablation.png"
    figures.draw_ablation(points.sign * first, steps, ["defaults", *names], view.objective_names[0], path)
    caption = (
        f"From the defaults to the best point (trial {best.number}), at each step the change that the random forest "
        f"predicts to help most; no point on the way was run for this (after Fawcett & Hoos 2016).{_sample(view)}"
    )
    listed = ", ".join(f"{name}: {step.prediction:.4g}" for name, step in zip(names, steps, strict=True))
    yield StudyFigure(path, TRUST, caption, f"{caption} Defaults: {points.sign * first:.4g}, {listed}.")


def _default(view: StudyView, name: str) -> object:
    """The value that the key has without the sweep; the choice of a config group."""
    choices = OmegaConf.select(view.config, "hydra.runtime.choices") or {}
    return choices[name] if name in choices else OmegaConf.select(view.config, name)


def _importances(points: Points) -> list[Importance]:
    return shares(columns_of(points.keys, points.trials), points.target)


def _importance(points: Points, sample: str) -> list[str]:
    if len(points.keys) < 2:
        return []
    found = _importances(points)
    if not found:
        return [f"No parameter's importance can be told from zero.{sample}"]
    rest = [key.name for key in points.keys if key.name not in {each.name for each in found}]
    others = f" Not told from zero: {', '.join(rest)}." if rest else ""
    what = f"Importance (share of the main effects over the complete trials, {COVERAGE:.0%} interval)"
    return [f"{what}: {_listed(found)}.{others}{sample}"]


def _listed(found: Sequence[Importance]) -> str:
    return ", ".join(f"{each.name} {each.share:.0%} ({each.low:.0%} to {each.high:.0%})" for each in found)


def _overtuning(view: StudyView) -> list[str]:
    found = _splits(view)
    return [] if found is None else [overtuning.sentence(found[1], found[2], found[3])]


def _splits(view: StudyView) -> tuple[list[TrialView], NDArray[np.float64], NDArray[np.float64], str] | None:
    """The complete trials, their validation and test values (lower is better), and the test metric's name."""
    trials, (objective, *others) = _finite(view), view.objective_names
    name = f"test/{objective.removeprefix('valid/')}"
    if others or not objective.startswith("valid/") or len(trials) < MIN_TRIALS:
        return None
    if not all(math.isfinite(trial.metrics.get(name, math.nan)) for trial in trials):
        return None
    valid, test = [trial.values[0] for trial in trials], [trial.metrics[name] for trial in trials]
    return trials, _sign(view) * np.array(valid), _sign(view) * np.array(test), name


def _pruner(view: StudyView) -> list[str]:
    sign = _sign(view)
    pruned = [_signed(trial, sign) for trial in view.trials if trial.state == "pruned" and trial.reported]
    finished = [(_signed(trial, sign), sign * trial.values[0]) for trial in _finite(view) if trial.reported]
    result = pruner.fairness(finished, pruned) if pruned else None
    return [] if result is None else pruner.sentences(result)


def _signed(trial: TrialView, sign: float) -> dict[int, float]:
    return {step: sign * value for step, value in trial.reported.items()}


def _winner(view: StudyView) -> list[str]:
    best = [trial for trial in view.ranked_trials if all(map(math.isfinite, trial.values))]
    if all(trial.errors for trial in best):
        result = winner.winner([_sign(view) * trial.values[0] for trial in best], [trial.errors[0] for trial in best])
        return [] if result is None else [winner.sentence(result)]
    if "seed" not in view.config or not best[0].command:
        return []
    commands = " and ".join(f"`{_repeated(trial)}`" for trial in best[:2])
    return [f"Each point ran once, so the winner may be luck; run the best two with more seeds: {commands}."]


def _repeated(trial: TrialView) -> str:
    """The command that runs the trial's point with three seeds."""
    words = shlex.split(command_line(trial.command))
    own = [word for word in words[3:] if not word.startswith("seed=")]
    return shlex.join([*words[:3], "-m", *own, _SEEDS])


def _sample(view: StudyView) -> str:
    n = len(_finite(view))
    return f" Estimated from {MAX_TRIALS} of {n} trials." if n > MAX_TRIALS else ""


def _finite(view: StudyView) -> list[TrialView]:
    return [trial for trial in view.complete_trials if all(map(math.isfinite, trial.values))]


def _sign(view: StudyView) -> float:
    return -1.0 if view.directions[0] == "maximize" else 1.0
