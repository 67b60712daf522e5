"""The predictions of a study from the training images alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from hwsweep import conf_path
from hwsweep.components import build
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.sweep.study.view import StudyView

Values = tuple[float | int | str | bool, ...] | None


def view(weights: Values, *overrides: str) -> StudyView:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", ["vae.likelihood=gaussian", *overrides])
    return StudyView("mine", Path(), [], cfg, {"vae.lambda": weights}, [])


def predictions(view: StudyView) -> list[str]:
    return PosteriorCollapse().predictions(view)


def test_total_collapse_is_predicted_just_above_the_largest_eigenvalue_and_not_below() -> None:
    small = "dataset.n_train=331"
    train = build(view(None, small).config).dataset.splits(0).train["image"].flatten(1).numpy() / 255
    largest = float(np.linalg.eigvalsh(np.cov(train.T, bias=True))[-1])
    below, above = predictions(view((largest * 0.999, largest * 1.001), small))
    assert "1 of 20 latents active predicted" in below
    assert "total collapse predicted" in above


def test_of_many_lambdas_a_few_are_predicted_with_both_sides_of_the_predicted_collapse() -> None:
    small = "dataset.n_train=331"
    train = build(view(None, small).config).dataset.splits(0).train["image"].flatten(1).numpy() / 255
    largest = float(np.linalg.eigvalsh(np.cov(train.T, bias=True))[-1])
    weights = [float(weight) for weight in np.geomspace(0.01, 100, 100)]
    *sentences, note = predictions(view(tuple(weights[::-1]), small))
    shown = [float(text.partition("=")[2].partition(":")[0]) for text in sentences]
    assert note == "predictions for 8 of 100 lambdas; the page has those of all finished trials"
    assert len(shown) == 8 and shown == sorted(shown) and [shown[0], shown[-1]] == [0.01, 100]
    for side in (max(w for w in weights if w < largest), min(w for w in weights if w > largest)):
        assert any(np.isclose(each, side, rtol=1e-5) for each in shown)
    assert len(predictions(view(tuple(weights[:8]), small))) == 8


def test_copies_of_trials_have_predictions_for_their_own_weights_alone() -> None:
    of_copies = view((0.3, 1, 3), "dataset.n_train=331")._replace(points=[{"vae.lambda": 3}, {"vae.lambda": 3}])
    (sentence,) = predictions(of_copies)
    assert sentence.startswith("lambda=3: ")


def test_a_target_rate_is_predicted_with_the_lambda_that_gives_it() -> None:
    held = view(None, "kl=target", "dataset.n_train=331")
    train = build(held.config).dataset.splits(0).train["image"].flatten(1).numpy() / 255
    eigenvalues = np.linalg.eigvalsh(np.cov(train.T, bias=True))[::-1][:20]
    five, seven = predictions(held._replace(axes={"kl.rate": (5, 7.5)}))
    for sentence, rate in ((five, 5), (seven, 7.5)):
        weight = float(sentence.partition("lambda=")[2].partition(":")[0])
        assert sentence.startswith(f"rate={rate:g}: lambda=") and f"rate {rate:.2f} and distortion" in sentence
        # six digits of lambda are printed
        assert 0.5 * np.log(np.maximum(eigenvalues / weight, 1)).sum() == pytest.approx(rate, abs=1e-4)
    (default,) = predictions(held._replace(axes={"optimizer.lr": (1e-3, 1e-2)}))
    assert default.startswith("rate=10: lambda=")
    assert predictions(held._replace(axes={"kl.rate": (-1, "big")})) == []


@pytest.mark.parametrize("weights", [(-1.0,), ("big",), None])
def test_nothing_is_predicted_for_values_that_no_model_can_have_or_for_an_interval(weights: Values) -> None:
    assert predictions(view(weights, "dataset.n_train=331")) == []


def test_a_missing_data_set_ends_the_sweep_before_its_first_trial() -> None:
    with pytest.raises(SystemExit, match=r"hwsweep: .*tibetan_mnist"):
        predictions(view((1,), "dataset=tibetan_mnist"))


def test_nothing_is_predicted_where_the_images_differ_from_trial_to_trial() -> None:
    assert len(predictions(view((1,), "dataset.n_train=331"))) == 1
    several = view((1,), "dataset.n_train=331")
    several.axes["dataset.binarise"] = ("none", "static")
    assert predictions(several) == []


@pytest.mark.parametrize("context", [(0, 3), None])
def test_nothing_is_predicted_for_a_decoder_that_sees_pixels(context: tuple[int, ...] | None) -> None:
    sees = view((1,), "model=vae_autoregressive", "dataset.n_train=331")
    if context is not None:
        sees.axes["vae.context"] = context
    assert predictions(sees) == []
