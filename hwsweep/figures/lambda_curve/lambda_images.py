"""Reconstructions, samples and interpolations of one model at some lambdas, from the same images and the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Float64, UInt8
from matplotlib.axes import Axes

from hwsweep.figures import Trained, interpolation, reconstructions, samples
from hwsweep.figures.drawing import colour_of
from hwsweep.figures.study import montage
from hwsweep.figures.study.sweep_runs import evenly_spaced

if TYPE_CHECKING:
    from hwsweep.analysis.all_lambda.contract import EveryLambda

PANELS = montage.PANELS


class LambdaImagesInfo(NamedTuple):
    """The images of every stop, lambda rising; the page of a study moves over all of them."""

    title: str
    kl_weight: Float64[np.ndarray, " stops"]
    rate: Float64[np.ndarray, " stops"]
    """Nats per image, on the test split."""
    distortion: Float64[np.ndarray, " stops"]
    """Nats per image, on the test split."""
    real: UInt8[np.ndarray, "n h w c"]
    """The test images, the same at each stop."""
    reconstructed: UInt8[np.ndarray, "stops n h w c"]
    samples: UInt8[np.ndarray, "stops n_samples h w c"]
    steps: UInt8[np.ndarray, "stops pairs n_steps h w c"]
    columns: int
    """Largest number of stops that the figure shows."""


def info(
    trained: Trained, n_images: int, n_samples: int, n_pairs: int, n_steps: int, columns: int, seed: int
) -> LambdaImagesInfo:
    """What the figures reconstructions, samples and interpolation show of a VAE, of the VAE at each stop.

    Of wide images there are fewer, as many as a strip of the page's slider holds.

    Args:
        seed: of the latent codes of the samples.
    """
    model, arrays = cast("EveryLambda", trained.model), trained.arrays
    across = montage.across_strip(trained.test["image"].shape[3])
    n_images, n_samples, n_steps = min(n_images, 2 * across), min(n_samples, 2 * across), min(n_steps, across)
    singles = [trained._replace(model=model.at(float(kl_weight))) for kl_weight in arrays["stop_lambda"]]
    shown = [reconstructions.info(single, n_images, n_images) for single in singles]
    return LambdaImagesInfo(
        title=trained.title,
        kl_weight=arrays["stop_lambda"],
        rate=arrays["stop_test_rate"],
        distortion=arrays["stop_test_distortion"],
        real=shown[0].real,
        reconstructed=np.stack([each.reconstructed for each in shown]),
        samples=np.stack([samples.info(single, n_samples, n_samples, seed).images for single in singles]),
        steps=np.stack([interpolation.info(single, n_pairs, n_steps).steps for single in singles]),
        columns=columns,
    )


def draw(info: LambdaImagesInfo, axes: Sequence[Axes]) -> None:
    """One column per lambda, as the montage of a study."""
    shown = evenly_spaced(len(info.kl_weight), info.columns)
    columns = montage.arrange(
        titles=[f"lambda = {info.kl_weight[stop]:.3g}" for stop in shown],
        notes=[f"distortion {info.distortion[stop]:.1f}, rate {info.rate[stop]:.2f} nats" for stop in shown],
        colours=[colour_of(float(info.kl_weight[stop])) for stop in shown],
        stored=[images_at(info, int(stop)) for stop in shown],
    )
    montage.draw(columns, axes)


def images_at(info: LambdaImagesInfo, stop: int) -> montage.Images:
    """The images of one stop."""
    return montage.Images(info.real, info.reconstructed[stop], info.samples[stop], info.steps[stop])
