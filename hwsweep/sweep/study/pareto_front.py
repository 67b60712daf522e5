"""The Pareto front: the trials that are the best compromise between several objectives."""

from __future__ import annotations

from hwsweep.sweep.study.view import StudyView, TrialView


def pareto_front(view: StudyView) -> list[TrialView]:
    """The complete trials, by number, such that no other is as good in every objective and better in one."""
    signs = [-1 if direction == "maximize" else 1 for direction in view.directions]
    front: list[TrialView] = []
    losses: list[list[float]] = []
    points = [([s * v for s, v in zip(signs, t.values, strict=True)], t) for t in view.complete_trials]
    for point, trial in sorted(points, key=lambda pair: pair[0]):  # no trial is worse than a later one
        if not any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in losses):
            front.append(trial)
            losses.append(point)
    return sorted(front, key=lambda trial: trial.number)
