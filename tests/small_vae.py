"""A VAE small enough for tests of its parts."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from hwsweep.models.kl_terms import Constant
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE


def small_vae(shape: tuple[int, int, int] = (1, 5, 7), **changes: Any) -> VAE:
    """The same weights at each call, with these changes of the settings."""
    settings: dict[str, Any] = {
        "networks": partial(fully_connected, hidden=11, activation="relu"),
        "latent": 3,
        "likelihood": "bernoulli",
        "sigma2": 1.0,
        "kl_weight": 1.0,
        "kl_term": Constant(),
        "pixel_context": None,
        "log_var_limit": 10.0,
    }
    torch.manual_seed(0)
    return VAE({"image": shape}, **(settings | changes))


def random_images(n: int = 13, shape: tuple[int, int, int] = (1, 5, 7)) -> dict[str, torch.Tensor]:
    """A batch of images of random bytes, the same at each call."""
    generator = torch.Generator().manual_seed(1)
    return {"image": torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)}
