"""Distances and neighbourhoods against closed forms, scipy's matrix root and cases worked by hand."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from hwsweep.analysis import sample_quality
from hwsweep.analysis.sample_quality import Neighbourhoods, frechet_distance, neighbourhoods, sample_metrics


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_frechet_distance_on_a_line_is_that_of_means_and_deviations() -> None:
    # means 1 and 5, deviations sqrt(2) and sqrt(8) (unbiased): 4^2 + (sqrt 8 - sqrt 2)^2
    assert frechet_distance(column(0, 2), column(3, 7)) == pytest.approx(16 + 2)


def test_frechet_distance_of_independent_features_adds_up() -> None:
    signs = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])  # covariance 4/3 times the identity
    found = frechet_distance(signs * torch.tensor([1.0, 3.0]), signs * torch.tensor([2.0, 3.5]) + 1)
    assert found == pytest.approx(2 + 4 / 3 * ((2 - 1) ** 2 + (3.5 - 3) ** 2))


def test_frechet_distance_is_the_one_with_the_matrix_root_of_scipy() -> None:
    real, sampled = draw(101, 7, seed=1) @ draw(7, 7, seed=2), draw(97, 7, seed=3) @ draw(7, 7, seed=4) + 1
    one, other = np.cov(real.numpy().T), np.cov(sampled.numpy().T)
    offset = (real.mean(0) - sampled.mean(0)).numpy()
    expected = offset @ offset + np.trace(one + other - 2 * sqrtm(one @ other).real)
    assert frechet_distance(real, sampled) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_a_set_to_itself_is_zero_also_without_full_rank() -> None:
    features = draw(5, 13, seed=1)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, torch.zeros(5, 13)) == pytest.approx(
        float(features.mean(0).square().sum() + features.var(0).sum()), rel=1e-5
    )


def test_neighbourhoods_of_a_case_worked_by_hand() -> None:
    real = column(0, 1, 3, 10)  # distance to the nearest other: 1, 1, 2, 7; balls [-1,1] [0,2] [1,5] [3,17]
    sampled = column(0.5, 4, 18)  # 3.5, 3.5, 14; balls [-3,4] [0.5,7.5] [4,32]
    # real balls around 0.5: two; around 4: two; around 18: none. Each real ball holds a sample.
    # real 0, 1, 3, 10 lie in a sampled ball: yes, yes, yes, yes
    assert neighbourhoods(real, sampled, 1) == Neighbourhoods(2 / 3, 1, 4 / 3, 1)
    # the other way round: balls of the samples around the real ones: 1, 2, 2, 1; without: none
    # sampled balls with a real point: all; samples in real balls: 2 of 3
    assert neighbourhoods(sampled, real, 1) == Neighbourhoods(1, 2 / 3, 6 / 4, 1)


def test_the_second_neighbour_widens_the_balls() -> None:
    real = column(0, 1, 3, 10)  # to the second: 3, 2, 3, 9; balls [-3,3] [-1,3] [0,6] [1,19]
    sampled = column(-2, -20, -40)  # 38, 20, 38; balls [-40,36] [-40,0] [-78,-2]
    # one real ball around -2 only: precision 1/3, density 1/(2 * 3), coverage 1/4; every real point in [-40, 36]
    assert neighbourhoods(real, sampled, 2) == pytest.approx((1 / 3, 1, 1 / 6, 1 / 4))


def test_samples_that_copy_one_image_are_precise_but_cover_and_recall_nothing_else() -> None:
    real = 10 * draw(31, 3, seed=1)
    found = neighbourhoods(real, real[4:5].repeat(17, 1), 1)
    assert found.precision == 1
    assert found.recall == 1 / 31
    assert found.coverage < 0.3


def test_chunks_do_not_change_the_neighbourhoods(monkeypatch: pytest.MonkeyPatch) -> None:
    real, sampled = draw(101, 5, seed=1), draw(97, 5, seed=2)
    whole = neighbourhoods(real, sampled, 5)
    monkeypatch.setattr(sample_quality, "PAIRS_AT_ONCE", 700)
    assert neighbourhoods(real, sampled, 5) == whole


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 3 examples on each side, but there are 3 real and 4 sampled"):
        neighbourhoods(draw(3, 2, seed=1), draw(4, 2, seed=2), 3)


def test_metrics_are_means_over_draws_with_standard_errors() -> None:
    real, draws = draw(101, 5, seed=1), [draw(97, 5, seed=seed) for seed in (2, 3, 4)]
    rows = [neighbourhoods(real, sampled, 5)._asdict() for sampled in draws]
    rows = [{"frechet": frechet_distance(real, sampled), **row} for sampled, row in zip(draws, rows, strict=True)]
    expected = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        assert len(set(values)) > 1
        expected[f"test/{name}"] = statistics.mean(values)
        expected[f"test/{name}_error"] = statistics.stdev(values) / 3**0.5
    assert sample_metrics(real, iter(draws), 5) == pytest.approx(expected)


def test_equal_draws_have_no_error() -> None:
    found = sample_metrics(draw(31, 5, seed=1), [draw(29, 5, seed=2)] * 2, 3)
    assert [value for name, value in found.items() if name.endswith("_error")] == [0] * 5


def test_of_few_images_only_the_frechet_distance_is_measured() -> None:
    assert sample_metrics(draw(3, 2, seed=1), [draw(3, 2, seed=2)] * 2, 3).keys() == {
        "test/frechet",
        "test/frechet_error",
    }
