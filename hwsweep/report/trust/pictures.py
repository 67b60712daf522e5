"""The figures of the section "How far to trust the search", with their captions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwsweep.report.model_study import StudyFigure
from hwsweep.report.naming import short_name
from hwsweep.report.trust.estimates import objective_importances, top_importances
from hwsweep.report.trust.forest import Dependence, Forest
from hwsweep.report.trust.importance import COVERAGE
from hwsweep.report.trust.path import path_to_best
from hwsweep.report.trust.points import Points, points_of
from hwsweep.report.trust.section import TRUST, listed
from hwsweep.report.trust.space import columns_of
from hwsweep.sweep.study.view import StudyView

MAX_PANELS = 9
"""Keys with a partial dependence of their own."""


def draw_trust(view: StudyView) -> Iterator[StudyFigure]:
    """The figures of the section, trust_*.png in the study's folder."""
    points = points_of(view)
    if points is None or len(view.directions) != 1 or not points.keys:
        return
    yield from _importances(view, points)
    forest = Forest(columns_of(points.keys, points.trials), points.target)
    yield _dependences(view, points, forest)
    yield from _ablation(view, points, forest)


def _importances(view: StudyView, points: Points) -> Iterator[StudyFigure]:
    from hwsweep.report.trust import figures  # imports Matplotlib

    on_objective, on_top = objective_importances(points), top_importances(points)
    if not on_objective and not on_top:
        return
    path = view.directory / "trust_importances.png"
    figures.draw_importances(on_objective, on_top, path)
    caption = (
        f"Each parameter's share of the main effects, with its {COVERAGE:.0%} interval, where it is told from zero: on "
        "the objective (functional ANOVA) and on being among the best tenth, at least five, of the trials (PED-ANOVA)."
        f"{points.sample}"
    )
    parts = [("Objective", on_objective), ("best tenth", on_top)]
    summary = "; ".join(f"{name}: {listed(found) or 'none'}" for name, found in parts)
    yield StudyFigure(path, TRUST, caption, f"{caption} {summary}.")


def _dependences(view: StudyView, points: Points, forest: Forest) -> StudyFigure:
    from hwsweep.report.trust import figures

    order = [each.name for each in objective_importances(points)]
    ranked = sorted(points.keys, key=lambda key: order.index(key.name) if key.name in order else len(order))
    keys = ranked[:MAX_PANELS]
    found: list[Dependence] = [forest.dependence(points.keys.index(key)) for key in keys]
    path = view.directory / "trust_partial_dependence.png"
    figures.draw_dependences(keys, found, points.signs[0], view.objective_names[0], path)
    caption = (
        "Partial dependence by a random forest: the mean prediction (blue), the middle 90 % of its trees (band) and "
        "single trials (grey), as one parameter changes. With few trials a forest draws effects flatter than they are."
        f"{points.sample}"
    )
    ranges = [f"{short_name(key.name)} {np.ptp(each.mean):.3g}" for key, each in zip(keys, found, strict=True)]
    return StudyFigure(path, TRUST, caption, f"{caption} The means vary by: {', '.join(ranges)}.")


def _ablation(view: StudyView, points: Points, forest: Forest) -> Iterator[StudyFigure]:
    from hwsweep.report.trust import figures

    found = path_to_best(view, points, forest)
    if found is None:
        return
    path = view.directory / "trust_ablation.png"
    figures.draw_ablation(found.first, found.steps, [found.start, *found.names], view.objective_names[0], path)
    caption = (
        f"From the defaults to the best point (trial {found.best}), at each step the change that the random forest "
        "predicts to help most; no point on the way was run for this (after Fawcett & Hoos 2016)."
        f"{''.join(found.moved)}{points.sample}"
    )
    pairs = zip(found.names, found.steps, strict=True)
    summary = ", ".join(f"{name}: {step.prediction:.4g}" for name, step in pairs)
    yield StudyFigure(path, TRUST, caption, f"{caption} Defaults: {found.first:.4g}, {summary}.")
