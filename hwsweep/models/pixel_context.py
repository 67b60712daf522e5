"""A decoder that sees pixels: each pixel depends on z and on its neighbours above and to the left.

What such a decoder explains by neighbours, z need not carry. So the rate falls at lambda = 1, without a larger weight
on the KL term (Chen et al. 2017, arXiv:1611.02731; Gulrajani et al. 2017, arXiv:1611.05013).
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hwsweep.argument_checks import check_count
from hwsweep.data.progress_bar import progress_bar

PIXELS_AT_ONCE = 12_544
"""16 images of 28 x 28: features that fit in a core's cache. A training step takes 0.7 of the time of all at once."""

MANY_PIXELS = 5_000_000
"""Pixels that are drawn in a few seconds on one core; progress is shown from there on."""


class PixelContext(nn.Module):
    """Corrects the decoder's output by the pixels within `radius` that come before in raster order.

    One convolution over the `radius` rows above and the pixels to the left (mask A of van den Oord et al. 2016,
    arXiv:1601.06759), and 1x1 convolutions. All channels of earlier pixels are seen; the channels of one pixel are
    independent given them. The convolution is a product of matrices, with a row for each pixel: with torch's
    convolution of one channel a training step takes three times as long on a CPU.
    """

    def __init__(self, channels: int, radius: int, features: int) -> None:
        super().__init__()
        self.radius = radius
        self.n_earlier = radius * (2 * radius + 1) + radius
        self.neighbours = nn.Linear(channels * self.n_earlier, features)
        self.decoded = nn.Linear(channels, features, bias=False)
        self.hidden = nn.Linear(features, features)
        self.correction = nn.Linear(features, channels)

    def forward(self, output: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The parameters of each pixel's likelihood, given the decoder's output at z and the image's earlier pixels."""
        n_images = max(1, PIXELS_AT_ONCE // image[0, 0].numel())
        chunks = zip(output.split(n_images), image.split(n_images), strict=True)
        return torch.cat([self._correct(some, self._earlier(pixels)) for some, pixels in chunks])

    def draw(self, output: Float[Tensor, "n c h w"], uniform: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Black (0) and white (1) images drawn pixel by pixel in raster order, each pixel given those before it.

        Args:
            output: the decoder's, at z.
            uniform: a pixel is white where its number is below the probability.
        """
        n_images, _, height, width = output.shape
        r = self.radius
        padded = F.pad(torch.zeros_like(output), (r, r, r, 0))
        bar = progress_bar(f"drawing {n_images:,} images", "pixels", uniform.numel(), 0)
        with bar if uniform.numel() >= MANY_PIXELS else nullcontext(lambda n: None) as advance:
            for row in range(height):
                for column in range(width):
                    pixel = ..., slice(row, row + 1), slice(column, column + 1)
                    window = padded[:, :, row : row + r + 1, column : column + 2 * r + 1]
                    earlier = window.flatten(2)[:, :, : self.n_earlier].flatten(1)
                    white = uniform[pixel] < torch.sigmoid(self._correct(output[pixel], earlier))
                    padded[:, :, row + r, column + r] = white[:, :, 0, 0].to(padded)
                advance(uniform[:, :, row].numel())
        return padded[:, :, r:, r : r + width]

    def _earlier(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "pixels earlier"]:
        """For each pixel of each image the pixels before it within the radius, 0 outside the image."""
        r = self.radius
        windows = F.pad(image, (r, r, r, 0)).unfold(2, r + 1, 1).unfold(3, 2 * r + 1, 1)
        n, c, h, w = image.shape
        rows = windows.permute(0, 2, 3, 1, 4, 5).reshape(n, h, w, c, -1)
        return rows[..., : self.n_earlier].reshape(n * h * w, -1)

    def _correct(
        self, output: Float[Tensor, "n c h w"], earlier: Float[Tensor, "pixels earlier"]
    ) -> Float[Tensor, "n c h w"]:
        n, c, h, w = output.shape
        decoded = output.permute(0, 2, 3, 1).reshape(-1, c)
        features = torch.relu_(self.neighbours(earlier) + self.decoded(decoded))
        correction: Tensor = self.correction(torch.relu_(self.hidden(features)))
        return output + correction.view(n, h, w, c).permute(0, 3, 1, 2)


def pixel_context(channels: int, radius: int, features: int, binarise: str, likelihood: str) -> PixelContext | None:
    """The part of a decoder that sees earlier pixels; None where it sees none.

    Args:
        binarise: how the data set makes its images black and white; "none" if they are grey.

    Raises:
        ValueError: a value is out of range, or pixels are not drawn black or white.
    """
    check_count("vae.context", radius, least=0, most=64, unit="pixels")
    check_count("vae.context_features", features)
    if radius and binarise == "none":
        raise ValueError(
            f"`vae.context={radius}` needs black and white images: set `dataset.binarise=static` or dynamic, or "
            f"`vae.context=0`"
        )
    if radius and likelihood != "bernoulli":
        raise ValueError(f"`vae.context={radius}` needs `vae.likelihood=bernoulli`, but got {likelihood}")
    return PixelContext(channels, radius, features) if radius else None
