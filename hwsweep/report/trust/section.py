"""The section "How far to trust the search" of a study's page: its sentences."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import OmegaConf

from hwsweep.report.trust import overtuning, pruner, winner
from hwsweep.report.trust.estimates import (
    best_trials,
    fairness,
    objective_importances,
    ranked_trials,
    splits,
    top_importances,
)
from hwsweep.report.trust.importance import COVERAGE, Importance, n_needed
from hwsweep.report.trust.points import Points, points_of
from hwsweep.report.trust.space import columns_of
from hwsweep.sweep.study.view import StudyView

TRUST = "How far to trust the search"
FEW_TRIALS = 100
"""Trials below which the intervals of weak parameters that are told from zero cover too little (docs/trust.md)."""


def sentences(view: StudyView) -> list[str]:
    """What the numbers say; empty for several objectives, or fewer than `MIN_TRIALS` complete trials."""
    points = points_of(view)
    if points is None or len(view.directions) != 1:
        return []
    return [*_overtuning(view), *_importance(points), *_pruner(view), *_winner(view)]


def _overtuning(view: StudyView) -> list[str]:
    found = splits(view)
    return [] if found is None else [overtuning.sentence(found.valid, found.test, found.name)]


def _importance(points: Points) -> list[str]:
    keys, columns = [key.name for key in points.keys], columns_of(points.keys, points.trials)
    if len(keys) < 2:
        return []
    if len(points.trials) < (needed := n_needed(columns)):
        return [f"Importances of {len(keys)} parameters need {needed} complete trials."]
    found = (("the objective", objective_importances(points)), ("being among the best tenth", top_importances(points)))
    lines = [_importance_sentence(what, keys, shown) for what, shown in found]
    if len(points.trials) < FEW_TRIALS and any(shown for _, shown in found):
        lines[-1] += (
            f" With fewer than {FEW_TRIALS} trials a weak parameter is told from zero partly by luck, and its interval "
            "then holds the right share less often."
        )
    lines[-1] += points.sample
    return lines


def _importance_sentence(what: str, keys: Sequence[str], found: Sequence[Importance]) -> str:
    if not found:
        return f"No parameter's importance for {what} can be told from zero."
    rest = [key for key in keys if key not in {each.name for each in found}]
    others = f" Not told from zero: {', '.join(rest)}." if rest else ""
    return f"Importance for {what} (share of the main effects, {COVERAGE:.0%} interval): {listed(found)}.{others}"


def listed(found: Sequence[Importance]) -> str:
    """ "lr 84% (80% to 88%), heads 16% (12% to 20%)"."""
    return ", ".join(f"{each.name} {each.share:.0%} ({each.low:.0%} to {each.high:.0%})" for each in found)


def _pruner(view: StudyView) -> list[str]:
    result = fairness(view)
    return [] if result is None else pruner.sentences(result)


def _winner(view: StudyView) -> list[str]:
    result = best_trials(view)
    if result is not None:
        return [winner.sentence(result)]
    key = OmegaConf.select(view.config, "hydra.sweeper.seed_key")
    if (
        not ranked_trials(view)
        or key is None
        or key in view.axes
        or type(OmegaConf.select(view.config, key)) is not int
    ):
        return []
    return [
        "Each point ran once, so the winner may be luck; this command runs the best five again, with three further "
        f"seeds each: `python -m hwsweep.study {view.name} replicate --top 5 --seeds 3`."
    ]
