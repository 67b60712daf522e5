"""Sliders over the ordered swept keys of a study: the images that its runs stored, from one value to the next."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from hwsweep import run_folder
from hwsweep.report.html.page import Slider, Stop
from hwsweep.report.naming import number_text, run_directory, short_name, subset, value_text, verdict
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

MAX_STOPS = 30
"""Values of a key on one slider: the page stays below 10 MB."""
MAX_SLIDERS = 3
COLOURS = 128
"""Of a picture's palette."""


def image_sliders(view: StudyView, facts: Mapping[str, tuple[str, int]]) -> list[Slider]:
    """One slider for each key with several numbers: the best trial and those that differ from it in this key alone.

    Args:
        facts: name of a number beside the images -> its metric and its decimals.
    """
    from hwsweep.figures.study import montage

    series = {key: trials for key in view.axes if key != "seed" and len(trials := _series(view, key)) > 1}
    return [
        Slider(short_name(key), list(montage.ROWS), [_stop(trial, key, facts) for trial in subset(trials, MAX_STOPS)])
        for key, trials in list(series.items())[:MAX_SLIDERS]
    ]


def _series(view: StudyView, key: str) -> list[TrialView]:
    """The trials with images that differ from the best one (of several objectives, the first one) in `key` alone."""
    from hwsweep.figures.study import montage

    trials = [t for t in view.complete_trials if run_folder.figure_names(run_directory(t)) >= montage.NEEDS]
    if not trials or not all(_is_number(trial.params.get(key)) for trial in trials):
        return []
    base = view.best_trial if view.best_trial in trials else trials[0]
    by_value = {float(trial.params[key]): trial for trial in view.trials_along(key, base) if trial in trials}
    return [by_value[value] for value in sorted(by_value)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stop(trial: TrialView, key: str, facts: Mapping[str, tuple[str, int]]) -> Stop:
    from PIL import Image

    from hwsweep.figures.study import montage

    numbers = [
        (name, number_text(trial.metrics[metric], decimals))
        for name, (metric, decimals) in facts.items()
        if metric in trial.metrics
    ]
    images = []
    for strip in montage.strips(run_directory(trial) / run_folder.FIGURES):
        png = BytesIO()
        Image.fromarray(strip).quantize(COLOURS, Image.Quantize.FASTOCTREE).save(png, "PNG", optimize=True)
        images.append(png.getvalue())
    name = verdict(trial)
    return Stop(value_text(trial.params[key]), [*numbers, *([("verdict", name)] if name else [])], images)
