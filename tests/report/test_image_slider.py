"""A slider shows the images of the runs that differ in one ordered key."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from planted_studies import draw_images, failed, study, trial, with_verdict

from hwsweep.report.image_slider import MAX_STOPS, image_sliders
from hwsweep.report.naming import subset

FACTS = {"rate [nats]": ("test/rate", 2)}


def brightness(png: bytes) -> int:
    """The brightness of a picture's first pixel."""
    return int(np.asarray(Image.open(io.BytesIO(png)).convert("L"))[0, 0])


def test_the_stops_are_in_order_with_the_images_and_numbers_of_their_runs(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, weight) for number, weight in enumerate((100, 0, 1))]
    for each, light in zip(trials, (30, 10, 20), strict=True):
        draw_images(each, light)
    trials[2] = with_verdict(trials[2], "healthy", rate=31.593)
    view = study(tmp_path, *trials, failed(tmp_path, 3, 7, "error", "no"), trial(tmp_path, 4, 3))
    (slider,) = image_sliders(view, FACTS, subset)
    assert slider.key == "lambda"
    assert slider.rows == ["real", "reconstruction", "prior samples", "interpolation"]
    assert [stop.title for stop in slider.stops] == ["0", "1", "100"]
    assert [[brightness(png) for png in stop.images] for stop in slider.stops] == [[10] * 4, [20] * 4, [30] * 4]
    assert slider.stops[1].facts == [("rate [nats]", "31.59"), ("verdict", "healthy")]


def test_two_keys_have_a_slider_each_through_the_best_trial(tmp_path: Path) -> None:
    points = [(0, 2), (1, 2), (0, 20), (1, 20)]
    trials = [
        trial(tmp_path, number, 0, params={"vae.lambda": weight, "vae.latent": latent}, values=[9.0 - number])
        for number, (weight, latent) in enumerate(points)
    ]
    for number, each in enumerate(trials):
        draw_images(each, number)
    axes = {"vae.lambda": (0, 1), "vae.latent": (2, 20)}
    weights, latents = image_sliders(study(tmp_path, *trials, axes=axes), FACTS, subset)
    assert [brightness(stop.images[0]) for stop in weights.stops] == [2, 3]
    assert [brightness(stop.images[0]) for stop in latents.stops] == [1, 3]


def test_words_and_seeds_and_a_single_run_have_no_slider(tmp_path: Path) -> None:
    one = trial(tmp_path, 0, 0)
    draw_images(one)
    assert image_sliders(study(tmp_path, one), FACTS, subset) == []
    for key, values in (("model", ("vae", "vae_conv")), ("seed", (0, 1)), ("vae.flag", (False, True))):
        folder = tmp_path / key
        trials = [trial(folder, number, 0, params={key: value}) for number, value in enumerate(values)]
        for each in trials:
            draw_images(each)
        assert image_sliders(study(folder, *trials, axes={key: values}), FACTS, subset) == []


def test_a_slider_of_many_runs_has_a_limited_number_of_stops(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, number) for number in range(MAX_STOPS + 7)]
    for each in trials:
        draw_images(each)
    (slider,) = image_sliders(study(tmp_path, *trials), FACTS, subset)
    assert [len(slider.stops), slider.stops[0].title, slider.stops[-1].title] == [MAX_STOPS, "0", str(MAX_STOPS + 6)]
    assert slider.note == "30 of 37 values"
    (few,) = image_sliders(study(tmp_path, *trials[:MAX_STOPS]), FACTS, subset)
    assert few.note == ""
