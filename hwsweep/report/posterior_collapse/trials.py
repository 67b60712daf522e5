"""The trials of a study of VAEs and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.naming import run_directory, trial_title, verdict
from hwsweep.report.posterior_collapse.selection import beside, collapse_place, spread
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from hwsweep.figures.study.sweep_runs import RunNumbers

LAMBDA = "vae.lambda"
RATE = "kl.rate"
"""The rate that kl=target holds; lambda follows it."""
CONTEXT = "vae.context"
MAX_NAMED_STOPS = 6
"""Points of one curve with their lambda beside them."""


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


def representatives(view: StudyView, trials: list[TrialView], size: int) -> list[TrialView]:
    """At most `size` of these trials, which are sorted by lambda; both sides of the collapse are among them."""
    if len(trials) <= size:
        return trials
    collapse = beside(collapse_place([verdict(trial) for trial in trials]))
    return [trials[place] for place in spread([kl_weight(trial, view) for trial in trials], size, collapse)]


def analysed_trials(view: StudyView) -> list[TrialView]:
    """The complete trials of VAEs whose runs stored their analysis."""
    return [t for t in view.complete_trials if "test/rate" in t.metrics and run_folder.has_arrays(run_directory(t))]


def kl_weight(trial: TrialView, view: StudyView) -> float:
    """The trial's lambda: the given one, swept or not, or the one that its run has reached, with three digits."""
    if (reached := trial.metrics.get("test/kl_weight")) is not None:
        return float(f"{reached:.3g}")
    return float(trial.params.get(LAMBDA, view.config.vae["lambda"]))


def has_several_lambdas(view: StudyView) -> bool:
    """Whether a swept key is lambda, or the rate that lambda follows."""
    return bool({LAMBDA, RATE} & set(view.axes))


def points(trial: TrialView, view: StudyView, title: str) -> list[RunNumbers]:
    """The points of the trial's run on the rate-distortion plane: one, or a curve of a model for every lambda."""
    from hwsweep.figures.study import sweep_runs

    return sweep_runs.name_some(stops(trial, view), MAX_NAMED_STOPS) or [numbers(trial, view, title)]


def stops(trial: TrialView, view: StudyView) -> list[RunNumbers]:
    """Each stop of the trial's run, if its model is one for every lambda; else empty."""
    from hwsweep.figures.study import sweep_runs

    arrays = run_folder.read_arrays(run_directory(trial))
    return sweep_runs.read_stops(arrays, *_likelihood(trial, view), trial_title(trial, view))


def _likelihood(trial: TrialView, view: StudyView) -> tuple[str, float | None]:
    """Its name and the variance of a pixel, None if that is learned."""
    vae = view.config.vae
    sigma2 = trial.params.get("vae.sigma2", vae.sigma2)
    return str(trial.params.get("vae.likelihood", vae.likelihood)), None if sigma2 == "learned" else float(sigma2)


def numbers(trial: TrialView, view: StudyView, title: str) -> RunNumbers:
    """The numbers of the trial's run that the figures of a sweep over lambda show."""
    from hwsweep.figures.study import sweep_runs

    likelihood, sigma2 = _likelihood(trial, view)
    return sweep_runs.read(run_directory(trial), title, kl_weight(trial, view), likelihood, sigma2)
