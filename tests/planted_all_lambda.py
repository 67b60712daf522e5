"""A model for every lambda whose VAEs are the closed-form optimum of a linear VAE, worked out with NumPy alone."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from small_vae import small_vae
from torch import nn

from hwsweep.analysis.all_lambda.curve import stop_arrays
from hwsweep.analysis.all_lambda.stops import StopsPlan, measure_stops
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits
from hwsweep.figures import Trained
from hwsweep.models import Batch, Model
from hwsweep.models.vae import VAE

SHAPE, LATENT = (1, 4, 5), 3


def planted_splits(n: int = 400, seed: int = 0) -> Splits:
    """Images with three strong directions and weak noise."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(generator.normal(size=(20, 3)))[0] * [0.35, 0.2, 0.1]

    def images(n: int) -> dict[str, torch.Tensor]:
        values = 0.5 + generator.normal(size=(n, 3)) @ directions.T + 0.01 * generator.normal(size=(n, 20))
        return {"image": torch.from_numpy((values.clip(0, 1) * 255).round().astype(np.uint8)).reshape(-1, *SHAPE)}

    return Splits(images(n), images(n // 4), images(n // 2))


def eigen(splits: Splits) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean training image, and falling eigenvalues and directions of the training covariance."""
    pixels = splits.train["image"].flatten(1).numpy().astype(np.float64) / 255
    values, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    return pixels.mean(0), values[::-1], vectors[:, ::-1]


@functools.cache
def planted_run(number: int = 9) -> Trained:
    """A run of the planted model with sigma2 = 0.5 at `number` stops from 0.001 to 1, as the program analyses it."""
    splits = planted_splits()
    model = PlantedModel(splits, (1e-3, 1.0), 0.5, 0.01).eval()
    plan = AnalysisPlan(0, 0.01, 50, 3, 5, 3, 53, 2, 31, 53, 4)
    curve = measure_stops(model, splits, "digest", plan, StopsPlan(number, 60, 20, 2))
    arrays = {**stop_arrays(curve), "eigenvalues": eigen(splits)[1][:LATENT]}
    return Trained(model, splits.test, [], "lambda = 0.001 to 1", arrays=arrays)


class PlantedModel(Model):
    """Probabilistic PCA with noise lambda sigma2 at each lambda (Lucas et al. 2019, arXiv:1911.02469).

    Args:
        wrong: factor of the lambda whose optimum it has; 1 is right.
    """

    def __init__(
        self, splits: Splits, lambda_range: tuple[float, float], sigma2: float, kl_weight: float, wrong: float = 1.0
    ) -> None:
        nn.Module.__init__(self)
        self.eigen, self.sigma2, self.wrong = eigen(splits), sigma2, wrong
        self.lambda_range, self.kl_weight = lambda_range, kl_weight
        self.latent, self.image_shape = LATENT, SHAPE
        self.likelihood = self.at(kl_weight).likelihood
        self.weight = nn.Parameter(torch.zeros(1))  # names the device

    def at(self, kl_weight: float) -> VAE:
        model = small_vae(
            SHAPE, latent=LATENT, likelihood="gaussian", sigma2=self.sigma2, kl_weight=kl_weight, networks=_linear_maps
        )
        mean, values, vectors = self.eigen
        e, u, t = values[:LATENT], vectors[:, :LATENT], self.wrong * kl_weight * self.sigma2
        gain, log_var = np.sqrt(np.maximum(e - t, 0)), np.log(np.minimum(t / e, 1))
        encoder, decoder = model.encoder[1], model.decoder[0]
        with torch.no_grad():
            rows = np.concatenate([(gain / e)[:, None] * u.T, np.zeros_like(u.T)])
            raw = model.log_var_limit * np.arctanh(log_var / model.log_var_limit)
            encoder.weight.copy_(torch.from_numpy(rows))
            encoder.bias.copy_(torch.from_numpy(np.concatenate([-rows[:LATENT] @ mean, raw])))
            decoder.weight.copy_(torch.from_numpy(u * gain))
            decoder.bias.copy_(torch.from_numpy(mean))
        return model.eval()

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        return self.at(self.kl_weight).losses(batch)

    def outputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        return self.at(self.kl_weight).outputs(batch)


def _linear_maps(image_shape: tuple[int, int, int], latent: int) -> tuple[nn.Module, nn.Module]:
    d = int(np.prod(image_shape))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(d, 2 * latent))
    return encoder, nn.Sequential(nn.Linear(latent, d), nn.Unflatten(1, image_shape))
