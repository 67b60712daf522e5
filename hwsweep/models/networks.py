"""Encoder and decoder networks for images. An encoder maps images to (n, 2 latent), a decoder (n, latent) to images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from hwsweep.argument_checks import MAX_COUNT, check_choice, check_count

ImageShape = tuple[int, int, int]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}
"""What follows each hidden layer, by the name in conf."""


def fully_connected(
    image_shape: ImageShape, latent: int, hidden: int | Sequence[int], activation: str
) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder with hidden layers of the widths `hidden`, mirrored; without any, both are linear maps."""
    return convolutional(image_shape, latent, [], hidden, activation)


def convolutional(
    image_shape: ImageShape, latent: int, channels: Sequence[int], hidden: int | Sequence[int], activation: str
) -> tuple[nn.Module, nn.Module]:
    """Encoder of stride-2 convolutions and its mirror image of transposed ones, around layers of widths `hidden`.

    Each convolution halves height and width, rounding up, so every image shape works.

    Args:
        activation: one of `ACTIVATIONS`; it follows each layer but the last of encoder and decoder.
    """
    check_choice("vae.activation", activation, tuple(ACTIVATIONS))
    activated = ACTIVATIONS[activation]
    stages = [image_shape[0], *_positive("channels", channels)]
    sizes = [image_shape[1:]]
    for _ in stages[1:]:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    smallest = (stages[-1], *sizes[-1])
    widths = [prod(smallest), *_positive("hidden", hidden)]
    down: list[nn.Module] = []
    for inside, outside in pairwise(stages):
        down += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), activated()]
    up: list[nn.Module] = []
    for stage in range(len(stages) - 1, 0, -1):
        # a transposed convolution of stride 2 gives 2 n - 1 rows; one more where the encoder halved an even number
        extra = (1 - sizes[stage - 1][0] % 2, 1 - sizes[stage - 1][1] % 2)
        inside, outside = stages[stage], stages[stage - 1]
        up += [activated(), nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=extra)]
    encoder = nn.Sequential(*down, nn.Flatten(), *_hidden_layers(widths, activated), nn.Linear(widths[-1], 2 * latent))
    mirrored = [latent, *reversed(widths[1:])]
    to_smallest = [*_hidden_layers(mirrored, activated), nn.Linear(mirrored[-1], widths[0]), nn.Unflatten(1, smallest)]
    return encoder, nn.Sequential(*to_smallest, *up)


def _hidden_layers(widths: Sequence[int], activated: type[nn.Module]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inside, outside in pairwise(widths):
        layers += [nn.Linear(inside, outside), activated()]
    return layers


def _positive(name: str, widths: int | Sequence[int]) -> list[int]:
    sizes = list(widths) if isinstance(widths, Sequence) and not isinstance(widths, str) else [widths]
    for width in sizes:
        if isinstance(width, int) and width > MAX_COUNT:
            check_count(f"vae.{name}", width)
    if not all(isinstance(width, int) and not isinstance(width, bool) and width >= 1 for width in sizes):
        raise ValueError(
            f"`vae.{name}` must be a whole number, at least 1, or a list of such, but got {widths!r}; "
            f"for instance `vae.{name}=400` or `'vae.{name}=[400,200]'`"
        )
    return sizes
