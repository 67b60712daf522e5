"""Drawings of digits: a mixture of two skeletons, tremor of the hand, and ink by distance from the path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy.random import SeedSequence, default_rng

from hwsweep.data.digit_skeletons import BOX, MAX_POINTS, Form, forms

FRAME: Final = 28
"""Pixels along each side of an image."""

LIMIT: Final = 2.5
"""Normal draws are cut off at this many standard deviations, so that every digit is legible and in its frame."""

SPACING = 0.7  # pixels between the samples of a path: edges stay smooth, even with a thin pen
EDGE = 1.1  # pixels over which ink fades out, as in a scan of reduced size
IMAGES_PER_BATCH = 64  # their distances fit in the processor's cache


class Factors(NamedTuple):
    """The factors that generate an image, beside its label and the hand; one number per image each."""

    slant: Float32[np.ndarray, " n"]
    """Degrees; positive leans to the right (before the ink is scaled to its box)."""
    thickness: Float32[np.ndarray, " n"]
    """Pixels: mean diameter of the pen."""
    scale: Float32[np.ndarray, " n"]
    """Side of the box of ink, relative to the digit's usual one."""
    x: Float32[np.ndarray, " n"]
    """Pixels to the right of the middle."""
    y: Float32[np.ndarray, " n"]
    """Pixels below the middle."""
    rotation: Float32[np.ndarray, " n"]
    """Degrees; positive turns counterclockwise."""


class Hand(NamedTuple):
    """How a hand writes; it has its own stream of random numbers."""

    stream: SeedSequence
    """Seeds the skeletons, mixture, tremor and pressure of every image."""
    tremor_std: float
    """Standard deviation of each pen point, relative to the digit's size."""
    pressure_std: float
    """Standard deviation of the pen's diameter along a path, relative to its mean."""


def draw_digits(label: Int64[np.ndarray, " n"], factors: Factors, hand: Hand) -> UInt8[np.ndarray, "n 1 28 28"]:
    """One image per label, white on black. The first m images are the same for every n >= m."""
    for_mixture, for_noise = (SeedSequence(hand.stream.entropy, spawn_key=(*hand.stream.spawn_key, i)) for i in (0, 1))
    first, second, mixture = default_rng(for_mixture).random((len(label), 3), np.float32).T
    noise = normal(for_noise, len(label), MAX_POINTS * 3).reshape(-1, MAX_POINTS, 3)
    noise *= np.array([hand.tremor_std, hand.tremor_std, hand.pressure_std], np.float32)
    image = np.empty((len(label), 1, FRAME, FRAME), np.uint8)
    for digit, form, row, number in _by_form(label, first):
        start = form.skeletons[number]
        end = form.skeletons[(second[row] * len(form.skeletons)).astype(np.int64)]
        points = start + mixture[row, None, None] * (end - start)
        for batch in np.split(np.arange(len(row)), range(IMAGES_PER_BATCH, len(row), IMAGES_PER_BATCH)):
            rows = row[batch]
            path = _path(points[batch], noise[rows], form, Factors(*(factor[rows] for factor in factors)), BOX[digit])
            image[rows, 0] = _ink(path)
    return image


def normal(stream: SeedSequence, n: int, n_columns: int) -> Float32[np.ndarray, "n n_columns"]:
    """Standard normal draws, cut off at `LIMIT`. The first m rows are the same for every n >= m."""
    return np.clip(default_rng(stream).standard_normal((n, n_columns), np.float32), -LIMIT, LIMIT)


def _by_form(
    label: Int64[np.ndarray, " n"], uniform: Float32[np.ndarray, " n"]
) -> Iterator[tuple[int, Form, Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]]:
    """For each form: its digit, the rows of the images that use it, and the number of each image's skeleton."""
    for digit in range(len(BOX)):
        all_forms = forms(digit, SPACING)
        row = np.flatnonzero(label == digit)
        number = (uniform[row] * sum(len(form.skeletons) for form in all_forms)).astype(np.int64)
        for form in all_forms:
            uses_form = (number >= 0) & (number < len(form.skeletons))
            yield digit, form, row[uses_form], number[uses_form]
            number -= len(form.skeletons)


def _path(
    points: Float32[np.ndarray, "n n_points 2"],
    noise: Float32[np.ndarray, "n max_points 3"],
    form: Form,
    factors: Factors,
    box: int,
) -> Float32[np.ndarray, "n n_samples 3"]:
    """The path of the pen: x, y and radius at each sample, in pixels."""
    slant, thickness, scale, x, y, rotation = (factor[:, None] for factor in factors)
    noise = noise[:, form.twin]
    across, down = np.moveaxis(form.spline @ (points + box * noise[..., :2]), -1, 0)
    side = scale * box - thickness
    down, across = _scaled(down, side), _scaled(across - np.tan(np.radians(slant)) * down, side)
    cos, sin = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    right, below = FRAME / 2 + x + cos * across + sin * down, FRAME / 2 + y + cos * down - sin * across
    radius = np.maximum(thickness / 2 * (1 + (form.spline @ noise[..., 2:])[..., 0]), 0.1)
    return np.stack([right, below, radius], axis=-1)


def _scaled(
    position: Float32[np.ndarray, "n n_samples"], side: Float32[np.ndarray, "n 1"]
) -> Float32[np.ndarray, "n n_samples"]:
    """Positions moved and stretched to lie between -side/2 and side/2, as digits in TibetanMNIST fill a square."""
    low, high = position.min(1, keepdims=True), position.max(1, keepdims=True)
    scaled: Float32[np.ndarray, "n n_samples"] = ((position - low) / (high - low) - 0.5) * side
    return scaled


def _ink(path: Float32[np.ndarray, "n n_samples 3"]) -> UInt8[np.ndarray, "n 28 28"]:
    """Images with ink 255 on the path of the pen.

    distance² - radius² is a sum over the two axes. Its minimum over a path costs one addition and one comparison per
    pixel and sample.
    """
    pixel = np.arange(FRAME, dtype=np.float32) + 0.5
    across = (path[..., 0, None] - pixel) ** 2 - path[..., 2, None] ** 2
    down = (path[..., 1, None] - pixel) ** 2
    power = np.full((len(path), FRAME, FRAME), np.inf, np.float32)
    for i in range(path.shape[1]):
        np.minimum(power, down[:, i, :, None] + across[:, i, None, :], out=power)
    radius = path[..., 2].mean(1)[:, None, None]
    outside = np.sqrt(np.maximum(power + radius**2, 0)) - radius  # pixels from the edge of the ink
    ink: UInt8[np.ndarray, "n 28 28"] = np.rint(255 * np.clip(0.5 - outside / EDGE, 0, 1)).astype(np.uint8)
    return ink
