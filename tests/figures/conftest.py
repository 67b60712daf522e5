"""A model whose every output can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from hwsweep.figures import Trained

HEIGHT, WIDTH = 3, 5


class Planted(nn.Module):
    """Codes an image by its first pixel, decodes a code to a plain image, reconstructs the negative."""

    latent = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def outputs(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        image = batch["image"].float() / 255
        mu = torch.stack([image[:, 0, 0, 0], 1 - image[:, 0, 0, 0]], dim=1)
        return {"mu": mu, "log_var": torch.zeros_like(mu), "reconstruction": 1 - image + 0 * self.weight}

    def decode(self, z: Tensor, uniform: None = None) -> Tensor:
        return z[:, :1, None, None].expand(-1, 1, HEIGHT, WIDTH) + 0 * self.weight

    def draw_noise(self, n_images: int, noise: torch.Generator) -> None:
        """The decoder draws nothing."""


@pytest.fixture
def trained() -> Callable[..., Trained]:
    """Makes a run whose test images are plain, with these grey values."""

    def make(greys: Sequence[int], labels: Sequence[int] | None = None) -> Trained:
        plain = torch.tensor(greys, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, HEIGHT, WIDTH)
        test = {"image": plain} if labels is None else {"image": plain, "label": torch.tensor(labels)}
        return Trained(Planted().eval(), test, [], "lambda = 3")

    return make
