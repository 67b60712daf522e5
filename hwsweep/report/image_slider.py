"""Sliders over the ordered swept keys of a study: the images that its runs stored, from one value to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.html.page import Slider, Stop
from hwsweep.report.naming import number_text, run_directory, short_name, value_text, verdict
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

MAX_STOPS = 30
"""Values of a key on one slider: the page stays below 10 MB."""
MAX_SLIDERS = 3
COLOURS = 128
"""Of a picture's palette."""


def image_sliders(
    view: StudyView,
    facts: Mapping[str, tuple[str, int]],
    choose: Callable[[list[TrialView], int], list[TrialView]],
) -> list[Slider]:
    """One slider for each key with several numbers: the best trial and those that differ from it in this key alone.

    Args:
        facts: name of a number beside the images -> its metric and its decimals.
        choose: which of these trials are shown, at most so many.
    """
    from hwsweep.figures.study import montage

    series = {key: trials for key in view.axes if key != "seed" and len(trials := _series(view, key)) > 1}
    sliders = []
    for key, trials in list(series.items())[:MAX_SLIDERS]:
        shown = choose(trials, MAX_STOPS)
        note = f"{len(shown)} of {len(trials)} values" * (len(shown) < len(trials))
        stops = [_stop(trial, key, facts) for trial in shown]
        sliders.append(Slider(short_name(key), list(montage.ROWS), stops, note))
    return sliders


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


def small_png(picture: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """The picture in `COLOURS` colours as the bytes of a PNG file."""
    from PIL import Image

    png = BytesIO()
    Image.fromarray(picture).quantize(COLOURS, Image.Quantize.FASTOCTREE).save(png, "PNG", optimize=True)
    return png.getvalue()


def stop_facts(metrics: Mapping[str, float], facts: Mapping[str, tuple[str, int]], name: str) -> list[tuple[str, str]]:
    """Name and text of each number that stands beside the images, and the verdict if there is one."""
    numbers = [
        (fact, number_text(metrics[metric], decimals))
        for fact, (metric, decimals) in facts.items()
        if metric in metrics
    ]
    return [*numbers, *([("verdict", name)] if name else [])]


def _stop(trial: TrialView, key: str, facts: Mapping[str, tuple[str, int]]) -> Stop:
    from hwsweep.figures.study import montage

    images = [small_png(strip) for strip in montage.strips(run_directory(trial) / run_folder.FIGURES)]
    return Stop(value_text(trial.params[key]), stop_facts(trial.metrics, facts, verdict(trial)), images)
