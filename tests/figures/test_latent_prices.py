from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from torch import nn

from hwsweep.figures import Trained, drawing, latent_prices

ARRAYS = {  # latents: dear and paid, free, dear and not paid, dear and perhaps not paid
    "latent_price": [2.0, 0.0, 3.0, 1.0],
    "latent_rise": [9.0, 0.0, 0.5, 0.9],
    "latent_rise_error": [1.0, 0.0, 0.1, 0.1],
    "latent_variance_low": [0.1, 1.0, 0.05, 0.2],
    "latent_variance_high": [0.3, 1.0, 0.95, 0.3],
    "latent_kind": [0.0, 2.0, 1.0, 3.0],
    "active_unit_statistic": [0.7, 0.0, 0.6, 0.001],
}


def run(arrays: dict[str, list[float]]) -> Trained:
    values = {name: np.array(numbers) for name, numbers in arrays.items()}
    return Trained(nn.Identity(), {}, [], "lambda = 3", arrays=values)


@pytest.fixture
def info() -> latent_prices.LatentPricesInfo:
    return latent_prices.info(run(ARRAYS))


def test_the_dearest_latent_is_the_first_and_keeps_its_numbers(info: latent_prices.LatentPricesInfo) -> None:
    assert info.price.tolist() == [3, 2, 1, 0]
    assert info.rise.tolist() == [0.5, 9, 0.9, 0]
    assert info.margin.tolist() == pytest.approx([0.3, 3, 0.3, 0])
    assert info.unpaid.tolist() == [True, False, False, False]
    assert info.kind.tolist() == ["mixed", "active", "other", "passive"]
    assert info.statistic.tolist() == [0.6, 0.7, 0.001, 0]
    assert info.variance_low.tolist() == [0.05, 0.1, 0.2, 1]
    assert info.variance_high.tolist() == [0.95, 0.3, 0.3, 1]


def test_both_quantities_are_drawn_and_what_does_not_pay_has_a_ring(info: latent_prices.LatentPricesInfo) -> None:
    prices, variances = axes = Figure().subplots(1, 2)
    latent_prices.draw(info, axes)
    (step,) = (patch for patch in prices.patches if isinstance(patch, StepPatch))
    assert step.get_data().values.tolist() == [3, 2, 1, 0]
    dots, ring = (part.get_offsets() for part in prices.collections if isinstance(part, PathCollection))
    assert np.asarray(dots).tolist() == [[1, 0.5], [2, 9], [3, 0.9], [4, 0]]
    assert np.asarray(ring).tolist() == [[1, 0.5]]
    assert prices.get_title(loc="left") == "lambda = 3: unpaid latents 1 of 4"
    low, high = prices.get_ylim()
    assert low < 0 and high >= 12  # 0 and every margin is within
    bars = [part for part in variances.collections if isinstance(part, LineCollection)]
    assert {bar.get_label() for bar in bars} == {"active: 1", "mixed: 1", "passive: 1", "other: 1"}
    assert sorted(segment[:, 1].tolist() for bar in bars for segment in bar.get_segments()) == [
        [0.05, 0.95],
        [0.1, 0.3],
        [0.2, 0.3],
        [1, 1],
    ]
    # the axis begins at 0.01, where smaller statistics are drawn
    assert [line.get_ydata().tolist() for line in variances.lines if len(line.get_xdata()) == 4] == [
        [0.6, 0.7, 0.01, 0.01]
    ]


@pytest.mark.parametrize("n", [1, 200])
def test_one_latent_and_many_can_be_drawn(n: int, tmp_path) -> None:
    path = tmp_path / "prices.png"
    info = latent_prices.info(run({name: (values * n)[:n] for name, values in ARRAYS.items()}))
    drawing.save(latent_prices, info, path)
    drawing.store(info, tmp_path / "prices.npz")
    assert path.exists()
    assert drawing.load(latent_prices.LatentPricesInfo, tmp_path / "prices.npz").kind.tolist() == info.kind.tolist()


def test_latents_without_price_and_rise_can_be_drawn() -> None:
    zeros = {name: [1.0 if "variance" in name else 0.0] * 2 for name in ARRAYS}
    latent_prices.draw(latent_prices.info(run(zeros)), Figure().subplots(1, 2))


def test_a_run_that_measured_no_latent_says_so() -> None:
    info = latent_prices.info(run({name: [float("nan")] * 2 for name in ARRAYS}))
    assert info.price.size == info.kind.size == 0
    axes = Figure().subplots(1, 2)
    latent_prices.draw(info, axes)
    assert axes[0].get_title(loc="left") == "lambda = 3: latents are not measured with so few test images"
