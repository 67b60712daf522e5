"""A spectrum that is kept: the same as NumPy's, and found again only where something that it depends on changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hwsweep.analysis import linear_vae as module
from hwsweep.analysis.linear_vae import kept_spectrum
from hwsweep.data import Splits

IMAGE = torch.randint(0, 256, (101, 1, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SPLITS = Splits({"image": IMAGE}, {"image": IMAGE[:2]}, {"image": IMAGE[:2]})


def test_it_is_the_spectrum_also_when_it_is_read_back(tmp_path: Path) -> None:
    points = IMAGE.flatten(1).double().numpy() / 255
    expected = np.linalg.eigvalsh(np.cov(points.T, ddof=0))[:-4:-1]
    for _ in range(2):
        found = kept_spectrum(SPLITS, "digest", 3, "gaussian", tmp_path)
        np.testing.assert_allclose(found.leading, expected, rtol=1e-5)
        assert found.collapsed_error == pytest.approx(points.var(0).sum(), rel=1e-5)
        assert found.exact


def test_it_is_found_once_for_the_same_data_number_and_likelihood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, str]] = []

    def counted(image: torch.Tensor, n_leading: int, likelihood: str) -> module.Spectrum:
        asked.append((n_leading, likelihood))
        return module.Spectrum(torch.ones(n_leading), 7.0, likelihood == "gaussian")

    monkeypatch.setattr(module, "spectrum", counted)
    for data, n_leading, likelihood in [("a", 3, "gaussian"), ("a", 3, "bernoulli"), ("a", 5, "gaussian")] * 2:
        found = kept_spectrum(SPLITS, data, n_leading, likelihood, tmp_path)
        assert (len(found.leading), found.exact) == (n_leading, likelihood == "gaussian")
    assert asked == [(3, "gaussian"), (3, "bernoulli"), (5, "gaussian")]
    kept_spectrum(SPLITS, "b", 3, "gaussian", tmp_path)
    assert asked[3:] == [(3, "gaussian")]
