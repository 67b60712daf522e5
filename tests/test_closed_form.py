"""A trained linear Gaussian VAE on real images agrees with its closed form."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from hwsweep import conf_path
from hwsweep.components import build
from hwsweep.models.vae import VAE, active_unit_statistic
from hwsweep.training import checkpoint
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit

REAL = os.environ.get("HWSWEEP_DATA", "")


@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute on a quiet machine
@pytest.mark.skipif(
    not (Path(REAL) / "tibetan_mnist" / "TibetanMNIST.npz").exists(), reason="HWSWEEP_DATA has no tibetan_mnist"
)
@pytest.mark.parametrize("kl_weight", [0.25, 1.0, 4.0, 100.0])
def test_a_trained_linear_gaussian_vae_is_probabilistic_pca(
    kl_weight: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWSWEEP_DATA", REAL)
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        # a warm-up of lambda ends nearer to the optimum, but needs more than 100 epochs
        overrides = ["kl=constant", f"vae.lambda={kl_weight}", "epochs=100", "device=cpu"]
        cfg = compose("config", ["experiment=linear_gaussian", *overrides])
    parts = build(cfg)
    splits = parts.dataset.splits(cfg.seed)
    for _ in fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, tmp_path):
        pass
    parts.model.load_state_dict(checkpoint.load(tmp_path / "best.pt")["model"])
    parts.model.eval()
    # the closed form, from NumPy alone (Lucas et al. 2019): sigma2 = 1, so the threshold is lambda
    pixels = splits.train["image"].flatten(1).numpy().astype(np.float64) / 255
    eigenvalues = np.linalg.eigvalsh(np.cov(pixels.T, bias=True))[::-1]
    largest, rest = eigenvalues[: cfg.vae.latent], eigenvalues[cfg.vae.latent :]
    rate = 0.5 * np.log(np.maximum(largest / kl_weight, 1)).sum()
    squared_error = np.minimum(largest, kl_weight).sum() + rest.sum()
    measured = evaluate(parts.model, splits.train)
    # 1 % for incomplete convergence; at total collapse the rate is 0, so 0.01 nats
    assert measured["rate"] == pytest.approx(rate, rel=0.01, abs=0.01)
    assert 2 * measured["distortion"] == pytest.approx(squared_error, rel=0.01)
    assert isinstance(parts.model, VAE)
    with torch.no_grad():
        mu = parts.model.encode(splits.train["image"].float() / 255)[0]
    active = int((active_unit_statistic(mu) > 0.01).sum())
    at_least, at_most = (largest > 1.1 * kl_weight).sum(), (largest > 0.9 * kl_weight).sum()
    assert at_least <= active <= at_most, "latents within 10 % of the threshold may count as active or not"
