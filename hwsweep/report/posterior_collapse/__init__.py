"""What a study of VAEs adds to its report: when the posterior collapses, as predicted and as measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.report.html.page import Section
from hwsweep.report.image_slider import image_sliders
from hwsweep.report.model_study import ANSWER, DrawFigures, StudyFigure
from hwsweep.report.naming import point_title, trial_title
from hwsweep.report.posterior_collapse.figures import COLLAPSE, CURVES, draw_collapse, draw_curves, draw_montages
from hwsweep.report.posterior_collapse.selection import beside, spread
from hwsweep.report.posterior_collapse.sentences import collapse_sentence, context_sentence, rate_sentence
from hwsweep.report.posterior_collapse.trials import (
    CONTEXT,
    LAMBDA,
    RATE,
    analysed_trials,
    has_several_data,
    kl_weight,
    points,
    representatives,
    series,
)
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.report.tables import pairs_table
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from hwsweep.analysis.linear_vae import Prediction

FACTS = {
    "distortion [nats]": ("test/distortion", 1),
    "rate [nats]": ("test/rate", 2),
    "mutual information [nats]": ("test/mutual_information", 2),
    "active units": ("test/active_units", 0),
    "lambda": ("test/kl_weight", 3),
}
"""What a slider shows beside the images, with its decimals."""
MAX_PREDICTED = 8
"""Predictions that are printed before the first trial."""


class PosteriorCollapse:
    """The report of VAEs; trials of other models in the same study are skipped."""

    def predictions(self, view: StudyView) -> list[str]:
        from hwsweep.analysis.linear_vae import kl_weight_of_rate, sentence

        vae = view.config.vae
        if has_several_data(view) or {"vae.sigma2", "vae.likelihood", "vae.latent"} & set(view.axes):
            return []  # the prediction needs one data set, one variance, one likelihood and one number of latents
        if CONTEXT in view.axes or vae.get("context"):
            return []  # it is of a decoder that sees z alone
        key, given = (RATE, rate) if (rate := view.config.get("kl", {}).get("rate")) else (LAMBDA, vae["lambda"])
        planned = dict.fromkeys(point[key] for point in view.points or () if key in point)
        values = planned or view.axes.get(key, (given,)) or ()
        prediction_at = _linear_vae(view)
        predicted: list[tuple[float, Prediction, str]] = []
        for value in values:
            if isinstance(value, int | float):
                with suppress(ValueError):  # out of range: the trial itself refuses it, with the name of the key
                    weight = kl_weight_of_rate(value, prediction_at) if key == RATE else value
                    start = f"rate={value:g}: " * (key == RATE)
                    prediction = prediction_at(weight)
                    predicted.append((weight, prediction, start + sentence(prediction, weight)))
        return _sentences_of_some(predicted)

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        key = next((key for key in (LAMBDA, RATE) if key in view.axes), CONTEXT)
        trials = series(view, key)
        if not trials:
            return general
        point = point_title(trials[0], [other for other in view.axes if other != key])
        if key == LAMBDA:
            sentence = collapse_sentence(trials)
        elif key == RATE:
            sentence = rate_sentence(trials)
        else:
            sentence = context_sentence(trials, kl_weight(trials[0], view))
        return [f"With {point}, {sentence[0].lower()}{sentence[1:]}" if point else sentence, general[0]]

    def sections(self, view: StudyView) -> list[Section]:
        caption = "Predicted for a linear VAE from the training images, and measured on the test split"
        return [
            Section(ANSWER, sliders=image_sliders(view, FACTS, partial(representatives, view))),
            Section(COLLAPSE, tables=pairs_table(view, "predicted", caption)),
            Section(CURVES),
        ]

    def figures(self) -> list[DrawFigures]:
        return [draw_collapse, draw_montages, draw_curves]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        from hwsweep.figures.study import rate_distortion

        runs = [
            point._replace(study=view.name)
            for view in views
            for trial in analysed_trials(view)
            for point in points(trial, view, trial_title(trial, view))
        ]
        # distortions compare under one likelihood only
        for likelihood in dict.fromkeys(run.likelihood for run in runs):
            alike = [run for run in runs if run.likelihood == likelihood]
            if len({run.study for run in alike}) > 1:
                info = rate_distortion.info(alike)
                summary = "; ".join(
                    f"{study}, {name}: rate {rate:.2f}, distortion {distortion:.1f} nats"
                    for study, name, (rate, distortion) in zip(info.studies, info.titles, info.measured, strict=True)
                    if name
                )
                path = folder / f"rate_distortion_{likelihood}.png"
                caption = f"{title_of(rate_distortion)} {likelihood.capitalize()} likelihood."
                yield save_figure(rate_distortion, info, path, COLLAPSE, caption, summary)


def _sentences_of_some(predicted: list[tuple[float, Prediction, str]]) -> list[str]:
    """The sentence of each lambda, in the given order.

    Of many lambdas some, sorted, with those on both sides of the predicted collapse, and a note that says how many.
    """
    if len(predicted) <= MAX_PREDICTED:
        return [text for _, _, text in predicted]
    predicted = sorted(predicted, key=lambda each: each[0])
    n_active = sum(prediction.active_units > 0 for _, prediction, _ in predicted)
    collapse = beside(n_active) if 0 < n_active < len(predicted) else []
    chosen = spread([weight for weight, _, _ in predicted], MAX_PREDICTED, collapse)
    note = f"predictions for {len(chosen)} of {len(predicted)} lambdas; the page has those of all finished trials"
    return [*(predicted[place][2] for place in chosen), note]


def _linear_vae(view: StudyView) -> Callable[[float], Prediction]:
    """The optimal linear VAE at a lambda, for the study's data, likelihood and number of latents."""
    from hwsweep.analysis.linear_vae import predict, predict_learned_variance
    from hwsweep.analysis.spectrum import cached_spectrum
    from hwsweep.data import DataError
    from hwsweep.hydra_versions import instantiate

    vae = view.config.vae
    try:
        splits = instantiate(view.config.dataset).splits(view.config.seed)
    except DataError as error:
        raise SystemExit(f"hwsweep: {error}") from None
    spectrum = cached_spectrum(splits, splits.digest(), vae.latent, vae.likelihood)
    if vae.sigma2 == "learned":
        n_pixels = splits.train["image"][0].numel()
        return lambda weight: predict_learned_variance(spectrum, weight, vae.latent, n_pixels)
    return lambda weight: predict(spectrum, weight, vae.sigma2, vae.latent)
