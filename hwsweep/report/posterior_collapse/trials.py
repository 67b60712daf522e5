"""The trials of a study of VAEs and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.naming import run_directory, verdict
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from hwsweep.figures.study.sweep_runs import RunNumbers

LAMBDA = "vae.lambda"
CONTEXT = "vae.context"


def has_several_data(view: StudyView) -> bool:
    """Whether a swept key chooses or changes the images: `dataset`, `dataset.binarise`, ..."""
    return any(key.partition(".")[0] == "dataset" for key in view.axes)


def series(view: StudyView, key: str) -> list[TrialView]:
    """The best trial and those that differ from it only in `key`, by its value; empty unless each has a verdict."""
    best = view.best_trial
    if best is None or key not in view.axes:
        return []
    trials = view.trials_along(key, best)
    is_series = len(trials) > 1 and all(verdict(t) and key in t.params for t in trials)
    return sorted(trials, key=lambda trial: float(trial.params[key])) if is_series else []


def analysed_trials(view: StudyView) -> list[TrialView]:
    """The complete trials of VAEs whose runs stored their analysis."""
    return [t for t in view.complete_trials if "test/rate" in t.metrics and run_folder.has_arrays(run_directory(t))]


def kl_weight(trial: TrialView, view: StudyView) -> float:
    """The trial's lambda, swept or not."""
    return float(trial.params.get(LAMBDA, view.config.vae["lambda"]))


def numbers(trial: TrialView, view: StudyView, title: str) -> RunNumbers:
    """The numbers of the trial's run that the figures of a sweep over lambda show."""
    from hwsweep.figures.study import sweep_runs

    vae = view.config.vae
    sigma2 = trial.params.get("vae.sigma2", vae.sigma2)
    return sweep_runs.read(
        folder=run_directory(trial),
        title=title,
        kl_weight=kl_weight(trial, view),
        likelihood=str(trial.params.get("vae.likelihood", vae.likelihood)),
        sigma2=None if sigma2 == "learned" else float(sigma2),
    )
