"""What is said and drawn of a path of lambda, for paths written by hand."""

from __future__ import annotations

from pathlib import Path as File

import numpy as np
import pytest
import torch
from small_vae import random_images, small_vae

from hwsweep.analysis.lambda_path.path import Path, measured_path
from hwsweep.analysis.lambda_path.sentences import closed_form_sentence, gap_sentence, pairs, path_sentence
from hwsweep.data import Splits
from hwsweep.figures import Trained, drawing
from hwsweep.figures.lambda_curve import lambda_path
from hwsweep.models.kl.lambda_path import LambdaPath

LOOP = [0.1, 1, 10, 100, 10, 1, 0.1]


def path(weights: list[float], active: list[float], rate: list[float] | None = None) -> Path:
    """A path with a distortion of 50 nats at each stop; its rate is the number of active units if none is given."""
    n = len(weights)
    w, a, r = (np.array(values, dtype=float) for values in (weights, active, rate or active))
    return Path(w, r, np.full(n, 50.0), a, np.full(n, 2.0), np.full(n, 40.0), np.full(n, 3.0), 12.3)


@pytest.mark.parametrize(
    ("weights", "active", "expected"),
    [
        ([3], [1], "the path has one stop, lambda = 3: rate 1.00 nats, distortion 50.0 nats, 1 active unit"),
        (
            LOOP,
            [4, 4, 3, 2, 3, 4, 4],
            "a latent is active at each of 7 stops of lambda; the fewest are 2, at lambda = 100",
        ),
        (
            LOOP,
            [4, 4, 1, 0, 1, 4, 4],
            "the posterior collapses between lambda = 10 (1 active unit) and 100 (none); a latent is "
            "active again between lambda = 100 (none) and 10 (1 active unit); at no lambda is a latent active "
            "before the collapse and none after it",
        ),
        (
            LOOP,
            [4, 4, 2, 0, 0, 3, 4],
            "the posterior collapses between lambda = 10 (2 active units) and 100 (none); a latent is "
            "active again between lambda = 10 (none) and 1 (3 active units); at lambda = 10 a latent is active "
            "before the collapse, and none after it",
        ),
        (
            LOOP,
            [4, 4, 2, 0, 0, 0, 1],
            "the posterior collapses between lambda = 10 (2 active units) and 100 (none); a latent is "
            "active again between lambda = 1 (none) and 0.1 (1 active unit); at 2 lambdas, 1 to 10, a latent is "
            "active before the collapse, and none after it",
        ),
        (
            LOOP,
            [4, 4, 2, 0, 0, 0, 0],
            "the posterior collapses between lambda = 10 (2 active units) and 100 (none); no latent comes back down to "
            "lambda = 0.1, where it had 4 active units before",
        ),
        (
            [1, 10, 100],
            [4, 2, 0],
            "the posterior collapses between lambda = 10 (2 active units) and 100 (none); the path does not come "
            "back down from there",
        ),
        (
            [100, 100, 1],
            [0, 0, 2],
            "no latent is active at the first stop, lambda = 100; a latent is active again between lambda = "
            "100 (none) and 1 (2 active units)",
        ),
        ([1, 2], [np.nan, np.nan], ""),
        ([], [], ""),
    ],
)
def test_the_sentence_says_where_latents_go_and_come_back(
    weights: list[float], active: list[float], expected: str
) -> None:
    assert path_sentence(path(weights, active)) == expected


def test_stops_compare_with_the_nearest_one_of_the_same_lambda_before_a_larger_one() -> None:
    assert pairs(path(LOOP, [1] * 7)) == [(2, 4), (1, 5), (0, 6)]
    assert pairs(path([1, 10, 1, 10, 1], [1] * 5)) == [(0, 2), (2, 4)]
    assert pairs(path([1, 1, 10, 10, 1, 1], [1] * 6)) == [(1, 4)]
    assert pairs(path([10, 1, 10], [1] * 3)) == pairs(path([1, 10], [1] * 2)) == []


def test_the_gap_is_of_rate_and_of_the_loss_at_the_same_lambda() -> None:
    assert gap_sentence(path([1, 10], [2, 1])) == ""
    assert gap_sentence(path([2, 10, 2], [1] * 3, [5, 1, 4])) == (
        "at the same lambda, before and after a larger one: the rate differs most at lambda = 2, 5.00 and 4.00 nats; "
        "distortion + lambda rate changes by -2.00 nats (lambda = 2)"
    )
    assert gap_sentence(path(LOOP, [1] * 7, [9, 5, 2, 0, 1, 3.5, 9.5])).endswith(
        "lambda = 1, 5.00 and 3.50 nats; distortion + lambda rate changes by -10.00 (lambda = 10) to +0.05 nats "
        "(lambda = 0.1)"
    )


def test_the_closed_form_is_compared_where_it_holds() -> None:
    one = path([1, 2], [3, 3], [2, 2.1])._replace(distortion=np.array([40.0, 42.0]))
    start = "total collapse predicted for a linear VAE from lambda = 12.3 on, on the way up and down alike"
    assert closed_form_sentence(one, is_exact=True, is_linear=False) == start
    assert closed_form_sentence(one, is_exact=True, is_linear=True) == (
        f"{start}; against the closed form on the validation images the rate is off by at most 5.0% (of a nat "
        "where it is less; lambda = 2) and the distortion by at most 5.0% (lambda = 2)"
    )
    assert "linear approximation (Bernoulli)" in closed_form_sentence(one, is_exact=False, is_linear=False)
    assert closed_form_sentence(one._replace(linear_collapse=np.nan), is_exact=True, is_linear=True) == ""


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, 2, 2, 1], [False, False, False, True]),
        ([2, 1, 2], [True, True, False]),
        ([3], [False]),
        ([2, 2], [False, False]),
    ],
)
def test_each_stop_is_on_a_way_up_or_down(weights: list[float], expected: list[bool]) -> None:
    assert lambda_path.ways_down(weights) == expected


def test_the_figure_shows_the_stops_that_have_ended(tmp_path: File) -> None:
    term = LambdaPath(weights=[0.1, 2, 0.1], epochs_each=1, restart=False, epochs=3, active_threshold=0.01)
    model = small_vae(kl_term=term).eval()
    term.measurements.rows[:2] = torch.tensor([[9.0, 30.0, 3.0], [0.0, 40.0, 0.0]])
    images = random_images(31)
    found = measured_path(model, Splits(images, random_images(17), images), "planted")
    assert found.kl_weight.tolist() == [0.1, 2] and found.rate.tolist() == [9, 0]
    arrays = {f"path_{name}": np.asarray(values) for name, values in found._asdict().items()}
    info = lambda_path.info(Trained(model, images, [], "path of lambda", None, arrays))
    assert info.is_down.tolist() == [False, False] and info.active_units.tolist() == [3, 0] and not info.exact
    drawing.store(info, tmp_path / "path.npz")
    drawing.save(lambda_path, drawing.load(lambda_path.LambdaPathInfo, tmp_path / "path.npz"), tmp_path / "path.png")
    assert (tmp_path / "path.png").stat().st_size > 0
